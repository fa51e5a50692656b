//! The few lines of JavaScript glue that the SDK lacks.

use js_sys::{Array, Function, JSON, Object, Promise, Reflect, Uint8Array};
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{ReadableStream, ReadableStreamDefaultReader, Request};

/// The Worker's variables and secrets: every string, number and boolean, and whatever else stands under
/// a name in `settings` as JSON, for the platform takes objects as variables too.
pub fn variables(env: &JsValue, settings: &[&str]) -> Vec<(String, String)> {
    let Some(env) = env.dyn_ref::<Object>() else {
        return Vec::new();
    };
    let variable = |name: JsValue| {
        let (value, name) = (Reflect::get(env, &name).ok()?, name.as_string()?);
        let is_variable = value.as_f64().is_some() || value.as_bool().is_some() || settings.contains(&name.as_str());
        let as_json = || JSON::stringify(&value).ok().filter(|_| is_variable).map(String::from);
        let text = value.as_string().or_else(as_json)?;
        Some((name, text))
    };
    Object::keys(env).iter().filter_map(variable).collect()
}

/// A string member of `request.cf`. The SDK's own getters panic where a member is missing.
pub fn cf_member(request: &JsValue, name: &str) -> Option<String> {
    let cf = Reflect::get(request, &"cf".into()).ok()?;
    Reflect::get(&cf, &name.into()).ok()?.as_string()
}

/// A plain object of these members.
pub fn object(members: &[(&str, JsValue)]) -> Object {
    let object = Object::new();
    for (name, value) in members {
        // Setting a member of a plain object of our own cannot fail.
        let _ = Reflect::set(&object, &(*name).into(), value);
    }
    object
}

/// A plain value as JSON text. One call and one parse cost less than a call for each member, in time and in size.
pub fn to_json(value: &JsValue) -> Result<String, JsValue> {
    if value.is_undefined() { Ok("null".to_owned()) } else { JSON::stringify(value).map(String::from) }
}

/// The plain value of JSON text.
pub fn from_json(json: &str) -> Result<JsValue, JsValue> {
    JSON::parse(json)
}

/// What a method of an object resolves to, called with one argument.
pub async fn call(object: &JsValue, method: &str, argument: &JsValue) -> Result<JsValue, JsValue> {
    let function: Function = Reflect::get(object, &method.into())?.dyn_into()?;
    let promise: Promise = function.call1(object, argument)?.dyn_into()?;
    JsFuture::from(promise).await
}

/// A number among the members of an object; 0 when it is not there.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts: whole, small and never negative")]
pub fn count(object: &JsValue, name: &str) -> u64 {
    Reflect::get(object, &name.into()).ok().and_then(|count| count.as_f64()).unwrap_or_default() as u64
}

/// A JavaScript array of strings.
pub fn strings(values: &[&str]) -> JsValue {
    values.iter().map(|value| JsValue::from(*value)).collect::<Array>().into()
}

/// All bytes of a stream, or nothing when there are more than `most`: then it is let go of.
pub async fn read(stream: &ReadableStream, most: usize) -> Result<Option<Vec<u8>>, JsValue> {
    let mut body = Vec::new();
    let reader: ReadableStreamDefaultReader = stream.get_reader().unchecked_into();
    loop {
        let chunk = JsFuture::from(reader.read()).await?;
        let Some(bytes) = Reflect::get(&chunk, &"value".into()).ok().and_then(|value| value.dyn_into::<Uint8Array>().ok()) else {
            return Ok(Some(body));
        };
        if body.len() + bytes.length() as usize > most {
            let _ = reader.cancel();
            return Ok(None);
        }
        body.extend(bytes.to_vec());
    }
}

/// The whole body of a request at once.
pub async fn whole(request: &Request) -> Result<Vec<u8>, JsValue> {
    let buffer = wasm_bindgen_futures::JsFuture::from(request.array_buffer()?).await?;
    Ok(Uint8Array::new(&buffer).to_vec())
}

/// Waits for so many milliseconds.
pub async fn sleep(millis: u32) {
    worker::Delay::from(std::time::Duration::from_millis(u64::from(millis))).await;
}

/// What a thrown value says.
pub fn message(error: &JsValue) -> String {
    Reflect::get(error, &"message".into()).ok().and_then(|message| message.as_string()).unwrap_or_else(|| format!("{error:?}"))
}
