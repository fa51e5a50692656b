//! The few lines of JavaScript glue that the SDK lacks.

use js_sys::{Array, Object, Reflect};
use wasm_bindgen::{JsCast as _, JsValue};

/// The string members of a JavaScript object: the Worker's variables and secrets.
pub fn string_members(object: &JsValue) -> Vec<(String, String)> {
    let Some(object) = object.dyn_ref::<Object>() else {
        return Vec::new();
    };
    let member = |name: JsValue| Some((name.as_string()?, Reflect::get(object, &name).ok()?.as_string()?));
    Object::keys(object).iter().filter_map(member).collect()
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

/// A JavaScript array of strings.
pub fn strings(values: &[&str]) -> JsValue {
    values.iter().map(|value| JsValue::from(*value)).collect::<Array>().into()
}

/// What a thrown value says.
pub fn message(error: &JsValue) -> String {
    Reflect::get(error, &"message".into()).ok().and_then(|message| message.as_string()).unwrap_or_else(|| format!("{error:?}"))
}
