//! One request to the admin API, and the shapes of its answers.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::edge::ctx::Ctx;
use crate::edge::handlers::admin::create::{Created, Key};
use crate::edge::handlers::admin::{Actor, BASE, Outcome};
use crate::edge::http::{WireRequest, WireResponse};
use crate::protocol::admin::body::{self, etag, idempotency_key, if_match, object};
use crate::protocol::admin::page::Page;
use crate::protocol::admin::problem::Problem;
use crate::protocol::form::decode;

/// A request whose sender may make it.
pub struct Call<'a> {
    /// Context.
    pub ctx: &'a Ctx,
    /// The request itself.
    pub request: &'a mut WireRequest,
    /// Who asks.
    pub actor: Actor,
    parameters: Vec<String>,
    /// The body, once it was read.
    body: Vec<u8>,
}

impl<'a> Call<'a> {
    /// Decodes the parameters of the path; one that is no text names nothing.
    pub fn new(ctx: &'a Ctx, request: &'a mut WireRequest, actor: Actor, parameters: &[String]) -> Result<Self, Problem> {
        // In a path `+` is itself.
        let decoded = parameters.iter().map(|text| decode(text.replace('+', "%2B").as_bytes()));
        let parameters = decoded.collect::<Option<Vec<_>>>().ok_or_else(Problem::not_found)?;
        Ok(Self { ctx, request, actor, parameters, body: Vec::new() })
    }

    /// The first parameter of the path.
    pub fn id(&self) -> &str {
        self.parameter(0)
    }

    /// A parameter of the path, counted from 0.
    pub fn parameter(&self, number: usize) -> &str {
        self.parameters.get(number).map(String::as_str).unwrap_or_default()
    }

    /// The members of the body, all of which must be known.
    pub async fn members(&mut self, known: &[&str]) -> Outcome<Map<String, Value>> {
        self.body = self.request.json_or_patch().await?;
        Ok(object(&self.body, known)?)
    }

    /// The body as a type, all members of which must be known.
    pub async fn body<T: DeserializeOwned>(&mut self, known: &[&str]) -> Outcome<T> {
        Ok(body::read(self.members(known).await?)?)
    }

    /// The same, of a body that may be this large.
    pub async fn large_body<T: DeserializeOwned>(&mut self, known: &[&str], most: usize) -> Outcome<T> {
        self.body = self.request.json_up_to(most).await?;
        Ok(body::read(object(&self.body, known)?)?)
    }

    /// What is asked for of a collection.
    pub fn page(&self) -> Outcome<Page> {
        Ok(Page::of(&self.request.query()?)?)
    }

    /// The version that is to be changed.
    pub fn if_match(&self) -> Outcome<i64> {
        Ok(if_match(self.request.header("if-match").as_deref())?)
    }

    /// What names this request among its repetitions. To be asked after the body was read.
    pub fn key(&self) -> Outcome<Key> {
        let header = self.request.header("idempotency-key");
        let key = idempotency_key(header.as_deref())?;
        let what = [self.request.method.as_bytes(), self.request.path.as_bytes(), &self.body];
        Ok(key.map_or_else(Key::once, |key| Key::of(self.ctx, &self.actor, key, &what)))
    }

    /// An item, or anything else that has a version.
    pub fn item(version: i64, told: &Value) -> WireResponse {
        WireResponse::json(200, told).header("etag", etag(version))
    }

    /// What was created, now or when this was asked before.
    pub fn created(created: &Created) -> WireResponse {
        let response = WireResponse::json(201, &created.body).header("etag", etag(created.version));
        response.header("location", format!("{BASE}{}", created.path))
    }

    /// Done, with nothing to tell.
    pub fn no_content() -> WireResponse {
        WireResponse::empty(204)
    }
}
