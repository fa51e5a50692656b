// A client's side of encryption, by a library that shares no code with the Worker. Reads one JSON object:
// {"make": ALG, "kid": NAME} answers a new key pair as {"private": JWK, "public": JWK}, and
// {"open": JWE, "key": JWK} what is in it as {"header": .., "text": ..}, or {"error": CODE}.
import { compactDecrypt, exportJWK, generateKeyPair, importJWK } from "jose";

async function make({ make: alg, kid }) {
  const pair = await generateKeyPair(alg, { crv: "P-256", modulusLength: 2048, extractable: true });
  const members = { kid, use: "enc", alg };
  return { private: { ...(await exportJWK(pair.privateKey)), ...members }, public: { ...(await exportJWK(pair.publicKey)), ...members } };
}

async function open({ open: jwe, key }) {
  const allowed = { keyManagementAlgorithms: [key.alg], contentEncryptionAlgorithms: ["A256GCM"] };
  try {
    const { plaintext, protectedHeader } = await compactDecrypt(jwe, await importJWK(key, key.alg), allowed);
    return { header: protectedHeader, text: new TextDecoder("utf-8", { fatal: true }).decode(plaintext) };
  } catch (error) {
    return { error: error.code ?? String(error) };
  }
}

let order = "";
for await (const chunk of process.stdin) order += chunk;
order = JSON.parse(order);
process.stdout.write(JSON.stringify(await (order.make ? make(order) : open(order))));
