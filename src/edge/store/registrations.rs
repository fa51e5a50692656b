//! Rows of `clients` that strangers make: by registration (RFC 7591), and from client ID metadata documents.

use serde::Deserialize;

use super::clients::{self, ClientRow};
use super::initial_access_tokens::{pay_for, text};
use super::{Db, Shards, Statement, to_json};
use crate::edge::ctx::Ctx;
use crate::edge::failure::Fault;
use crate::protocol::client::Client;
use crate::protocol::secret::SecretHash;
use crate::protocol::time::Timestamp;

/// A client that registered itself.
pub struct Registered {
    /// The client.
    pub client: Client,
    /// SHA-256 of its registration access token.
    pub token: SecretHash,
    /// When it registered.
    pub created_at: Timestamp,
}

/// Makes the client, or says that the initial access token has no use left.
pub async fn insert(ctx: &Ctx, new: &Registered, initial: Option<&SecretHash>) -> Result<bool, Fault> {
    let db = Db::new(ctx, Shards::COMMON);
    let client = &new.client;
    let mut parameters = vec![
        client.id.as_str().into(),
        to_json(&client.metadata).into(),
        to_json(&client.secrets).into(),
        new.created_at.into(),
        text(&new.token).into(),
    ];
    let read = clients::select(&client.id);
    let row = match initial {
        None => {
            let sql = "INSERT INTO clients (id, metadata, secrets, version, created_at, origin, registration_token) \
                       VALUES (?1, ?2, ?3, 1, ?4, 'registration', ?5) ON CONFLICT DO NOTHING";
            let [_, row] = db.batch([Statement::new(sql, parameters), read]).await?;
            row
        }
        Some(initial) => {
            // Nobody ever sees version 0: it marks, inside the batch, a client that no use was taken for. So the
            // batch can be run twice, takes one use, and of many at once only as many as there are uses insert.
            let sql = "INSERT INTO clients (id, metadata, secrets, version, created_at, origin, registration_token) \
                       SELECT ?1, ?2, ?3, 0, ?4, 'registration', ?5 WHERE EXISTS \
                       (SELECT 1 FROM initial_access_tokens WHERE sha256 = ?6 AND uses > 0 AND expires_at > ?7) \
                       ON CONFLICT DO NOTHING";
            parameters.extend([text(initial).into(), ctx.now.into()]);
            let paid =
                Statement::new("UPDATE clients SET version = 1 WHERE id = ?1 AND version = 0", [client.id.as_str().into()]);
            let batch = [Statement::new(sql, parameters), pay_for(&client.id, initial), paid, read];
            let [_, _, _, row] = db.batch(batch).await?;
            row
        }
    };
    // The id is random: whoever has it was made by this request.
    Ok(row.first::<ClientRow>()?.is_some())
}

/// A client that registered itself, by its id.
pub async fn by_id(ctx: &Ctx, id: &str) -> Result<Option<Registered>, Fault> {
    #[derive(Deserialize)]
    struct Row {
        registration_token: SecretHash,
        created_at: Timestamp,
    }
    let sql = "SELECT registration_token, created_at FROM clients \
               WHERE id = ?1 AND origin = 'registration' AND registration_token IS NOT NULL";
    let batch = [Statement::new(sql, [id.into()]), clients::select(id)];
    let [registered, client] = Db::new(ctx, Shards::COMMON).batch(batch).await?;
    let (Some(row), Some(client)) = (registered.first::<Row>()?, client.first::<ClientRow>()?) else {
        return Ok(None);
    };
    Ok(Some(Registered { client: client.parse()?, token: row.registration_token, created_at: row.created_at }))
}

/// Replaces what a client is registered with, if it is still as it was read; the client as it is now.
/// Nothing: somebody else changed or deleted it meanwhile.
pub async fn replace(ctx: &Ctx, read: &Registered, changed: &Client) -> Result<Option<Client>, Fault> {
    let sql = "UPDATE clients SET metadata = ?3, secrets = ?4, version = version + 1 \
               WHERE id = ?1 AND version = ?2 AND origin = 'registration' AND registration_token = ?5";
    let (metadata, secrets) = (to_json(&changed.metadata), to_json(&changed.secrets));
    let parameters = [
        changed.id.as_str().into(),
        read.client.version.into(),
        metadata.as_str().into(),
        secrets.as_str().into(),
        text(&read.token).into(),
    ];
    let batch = [Statement::new(sql, parameters), clients::select(&changed.id)];
    let [_, row] = Db::new(ctx, Shards::COMMON).batch(batch).await?;
    let Some(now) = row.first::<ClientRow>()?.map(ClientRow::parse).transpose()? else {
        return Ok(None);
    };
    // Told by what stands there, for when the batch was run twice the second run changed nothing.
    let is_ours = to_json(&now.metadata) == metadata && to_json(&now.secrets) == secrets && now.version > read.client.version;
    Ok(is_ours.then_some(now))
}

/// Deletes a client that registered itself. Its grants end with it, for the gate reads its row.
pub async fn delete(ctx: &Ctx, registered: &Registered) -> Result<(), Fault> {
    let sql = "DELETE FROM clients WHERE id = ?1 AND origin = 'registration' AND registration_token = ?2";
    let parameters = [registered.client.id.as_str().into(), text(&registered.token).into()];
    Db::new(ctx, Shards::COMMON).run(Statement::new(sql, parameters)).await?;
    Ok(())
}

/// Writes down what a metadata document says now, and reads the row back: the operator's own client of
/// this id, if there is one, stays as it is.
pub async fn keep_document(ctx: &Ctx, client: &Client) -> Result<Option<Client>, Fault> {
    let sql = "INSERT INTO clients (id, metadata, created_at, origin) VALUES (?1, ?2, ?3, 'document') \
               ON CONFLICT (id) DO UPDATE SET metadata = excluded.metadata, version = version + 1 \
               WHERE metadata <> excluded.metadata AND origin = 'document'";
    let parameters = [client.id.as_str().into(), to_json(&client.metadata).into(), ctx.now.into()];
    let batch = [Statement::new(sql, parameters), clients::select(&client.id)];
    let [_, row] = Db::new(ctx, Shards::COMMON).batch(batch).await?;
    row.first::<ClientRow>()?.map(ClientRow::parse).transpose()
}
