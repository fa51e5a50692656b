//! Ring 3: the built Worker on workerd, over HTTP and in a real browser.

mod admin;
mod apps;
mod audit;
mod authorize;
mod browser;
mod code;
mod devices;
mod exchange;
mod flow;
mod harness;
mod inputs;
mod judge;
mod keys;
mod logout;
mod mail;
mod outages;
mod pages;
mod registration;
mod serve;
mod services;
mod sso;
mod strangers;
mod support;
mod trust;
mod walkthroughs;
mod web;
