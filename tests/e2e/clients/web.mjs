// An agent's HTTP calls with Node's own fetch: told nothing of any proxy. JSON lines in, JSON lines out.
import { createInterface } from "node:readline";

for await (const line of createInterface({ input: process.stdin })) {
  const { method, url, headers, body } = JSON.parse(line);
  const response = await fetch(url, { method, headers, body: body ?? undefined });
  console.log(JSON.stringify({ status: response.status, text: await response.text() }));
}
