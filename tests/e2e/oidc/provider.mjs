// A real OpenID provider (oidc-provider, certified) for the tests: people log in with a password, agents with a key.
//
//   node provider.mjs MODULES CONFIGURATION
//
// MODULES is the node_modules folder, CONFIGURATION a JSON text: `resource`, `people` (name: password), `clients`.
// Listens on a free loopback port, says its issuer on the first line, and ends when its input does.

import { generateKeyPairSync, timingSafeEqual } from "node:crypto";
import http from "node:http";
import path from "node:path";
import { pathToFileURL } from "node:url";

const [modules, text] = process.argv.slice(2);
const { default: Provider } = await import(pathToFileURL(path.resolve(modules, "oidc-provider/lib/index.js")));
const given = JSON.parse(text);

const signing = (type, options) => generateKeyPairSync(type, options).privateKey.export({ format: "jwk" });
const keys = [{ ...signing("rsa", { modulusLength: 2048 }), kid: "rs", use: "sig", alg: "RS256" }];

const listening = http.createServer();
await new Promise((ready) => listening.listen(0, "127.0.0.1", ready));
const issuer = `http://127.0.0.1:${listening.address().port}`;

const provider = new Provider(issuer, {
  clients: given.clients,
  jwks: { keys },
  cookies: { keys: ["only for a test"] },
  scopes: ["openid", "countersign_task"],
  clientAuthMethods: ["none", "private_key_jwt"],
  findAccount: (_, id) => (Object.hasOwn(given.people, id) ? { accountId: id, claims: () => ({ sub: id }) } : undefined),
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  loadExistingGrant: grantOfTheHouse,
  ttl: { AccessToken: 900, ClientCredentials: 900, Grant: 900, Interaction: 300, Session: 900 },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => given.resource,
      useGrantedResource: () => true,
      getResourceServerInfo: (_, resource) => ({
        audience: resource,
        scope: "countersign_task",
        accessTokenFormat: "jwt",
        accessTokenTTL: 900,
        jwt: { sign: { alg: "RS256" } },
      }),
    },
  },
});

// Applications of one's own house need no consent page: whoever logged in has consented by that.
async function grantOfTheHouse(ctx) {
  const grant = new ctx.oidc.provider.Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId });
  grant.addOIDCScope("openid countersign_task");
  grant.addResourceScope(ctx.oidc.params.resource ?? given.resource, "countersign_task");
  await grant.save();
  return grant;
}

const page = (action, said = "") => `<!doctype html><title>Log in</title><p>${said}</p>
<form method="post" action="${action}"><input name="login"><input name="password" type="password"><button>Log in</button></form>`;

const same = (left, right) => left.length === right.length && timingSafeEqual(Buffer.from(left), Buffer.from(right));

async function interaction(request, response) {
  const action = request.url;
  const { prompt } = await provider.interactionDetails(request, response);
  if (prompt.name !== "login") throw new Error(`nobody answers the prompt ${prompt.name} here`);
  if (request.method !== "POST") return response.setHeader("content-type", "text/html").end(page(action));
  let body = "";
  for await (const part of request) body += part;
  const form = new URLSearchParams(body);
  const login = form.get("login") ?? "";
  if (!Object.hasOwn(given.people, login) || !same(given.people[login], form.get("password") ?? "")) {
    response.statusCode = 403;
    return response.setHeader("content-type", "text/html").end(page(action, "That is not the password."));
  }
  await provider.interactionFinished(request, response, { login: { accountId: login } });
}

const standard = provider.callback();
listening.on("request", (request, response) => {
  if (!request.url.startsWith("/interaction/")) return standard(request, response);
  interaction(request, response).catch((error) => {
    response.statusCode = 400;
    response.end(String(error));
  });
});

process.stdin.on("end", () => process.exit()).resume();
console.log(issuer);
