//! Pages of a collection: `limit` and `after`.

use serde_json::{Value, json};

use super::super::form::Form;
use super::super::secret::{base64url, from_base64url};
use super::problem::{Problem, Word};

/// Items on a page where the request does not say.
const USUAL: u32 = 50;
/// Items on a page at most.
pub const MOST: u32 = 100;

/// Which part of a collection is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Items wanted at most, 1 to [`MOST`].
    pub limit: u32,
    /// Only what comes after this key of the collection's order; empty: from the start.
    pub after: String,
}

impl Page {
    /// Reads `limit` and `after` of a query.
    pub fn of(query: &Form) -> Result<Self, Problem> {
        let limit = match query.get("limit").map(str::parse) {
            None => USUAL,
            Some(Ok(limit)) if (1..=MOST).contains(&limit) => limit,
            Some(_) => return Err(Problem::new(Word::Invalid, "limit must be a whole number from 1 to 100")),
        };
        let after = match query.get("after") {
            None => String::new(),
            Some(cursor) => from_base64url(cursor)
                .and_then(|bytes| String::from_utf8(bytes).ok())
                .ok_or_else(|| Problem::new(Word::Invalid, "after must be what next was"))?,
        };
        Ok(Self { limit, after })
    }

    /// How many items to read: one more than wanted tells whether there are more.
    pub const fn rows(&self) -> u32 {
        self.limit.saturating_add(1)
    }

    /// The answer: of items that were read by [`rows`](Self::rows), in order, those of this page, and `next` where
    /// there are more. `key`: an item's place in the order; `told`: what is told of it.
    pub fn answer<T>(&self, mut items: Vec<T>, key: impl Fn(&T) -> String, told: impl Fn(&T) -> Value) -> Value {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let has_more = items.len() > limit;
        items.truncate(limit);
        let mut body = json!({ "items": items.iter().map(told).collect::<Vec<_>>() });
        if let (true, Some(last), Some(members)) = (has_more, items.last(), body.as_object_mut()) {
            members.insert("next".to_owned(), base64url(key(last).as_bytes()).into());
        }
        body
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(query: &str) -> Result<Page, Problem> {
        Page::of(&Form::parse(query.as_bytes()).unwrap())
    }

    #[test]
    fn limits() {
        assert_eq!(page("").unwrap(), Page { limit: 50, after: String::new() });
        assert_eq!(page("limit=100").unwrap().limit, 100);
        for bad in ["limit=0", "limit=101", "limit=x", "limit=-1", "after=!", "after=_w"] {
            assert_eq!(page(bad).unwrap_err().word, Word::Invalid, "{bad}");
        }
    }

    #[test]
    fn pages_follow_each_other_to_the_end() {
        let all: Vec<String> = (0..7).map(|number| format!("item {number}")).collect();
        let (mut seen, mut query) = (Vec::new(), "limit=3".to_owned());
        loop {
            let page = page(&query).unwrap();
            let rows: Vec<String> = all.iter().filter(|item| **item > page.after).take(page.rows() as usize).cloned().collect();
            let answer = page.answer(rows, Clone::clone, |item| json!(item));
            seen.extend(answer["items"].as_array().unwrap().iter().map(|item| item.as_str().unwrap().to_owned()));
            match answer.get("next") {
                Some(next) => query = format!("limit=3&after={}", next.as_str().unwrap()),
                None => break,
            }
        }
        assert_eq!(seen, all);
    }
}
