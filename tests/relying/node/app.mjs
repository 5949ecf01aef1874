// A site that logs people in with openid-client, as its manual shows; it knows nothing of WeChat or wxgate.
import { createServer } from "node:http";
import { randomUUID } from "node:crypto";
import * as client from "openid-client";

const { ISSUER, CLIENT_ID, CLIENT_SECRET, SCOPE, PORT } = process.env;

const attempts = new Map();
const site = `http://127.0.0.1:${PORT}`;
let config;

async function login(request, response) {
  config ??= await client.discovery(new URL(ISSUER), CLIENT_ID, CLIENT_SECRET, undefined, {
    execute: [client.allowInsecureRequests], // The gateway of a test is on http.
  });
  const verifier = client.randomPKCECodeVerifier();
  const attempt = { verifier, state: client.randomState(), nonce: client.randomNonce() };
  const id = randomUUID();
  attempts.set(id, attempt);
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: `${site}/callback`,
    scope: SCOPE,
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
    state: attempt.state,
    nonce: attempt.nonce,
  });
  response.writeHead(302, { location: url.href, "set-cookie": `attempt=${id}; HttpOnly; Path=/` });
  response.end();
}

async function callback(request, response) {
  const id = /attempt=([\w-]+)/.exec(request.headers.cookie ?? "")?.[1];
  const { verifier, state, nonce } = attempts.get(id);
  const tokens = await client.authorizationCodeGrant(config, new URL(request.url, site), {
    pkceCodeVerifier: verifier,
    expectedState: state,
    expectedNonce: nonce,
    idTokenExpected: true,
  });
  const claims = tokens.claims();
  const userinfo = await client.fetchUserInfo(config, tokens.access_token, claims.sub);
  response.writeHead(200, { "content-type": "application/json" });
  response.end(JSON.stringify({ claims, userinfo }));
}

const pages = { "/login": login, "/callback": callback };

createServer((request, response) => {
  const page = pages[new URL(request.url, site).pathname];
  if (!page) {
    response.end("ok");
    return;
  }
  page(request, response).catch((error) => {
    response.writeHead(500, { "content-type": "application/json" });
    response.end(JSON.stringify({ error: error.error ?? error.code ?? String(error), cause: String(error.cause) }));
  });
}).listen(Number(PORT), "127.0.0.1");
