import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

import { type Page, expect, test } from "./watched";

const topic = "pointer.moved";
const server = () => process.env.SLUICE_SERVER!;

// A server of its own: what a browser is only told to have loaded from here may ask nothing of this machine.
let html = "";
const other = createServer((_, answer) => answer.setHeader("Content-Type", "text/html").end(html));
const shop = () => `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
test.beforeAll(() => new Promise<void>((done) => void other.listen(0, "127.0.0.1", done)));
test.afterAll(() => void other.close());

/** A page of another origin that loads the script; the batches that it sends are noted. */
async function open(page: Page, attributes = "") {
  const sent: { url: URL; body: string }[] = [];
  html = `<!doctype html><title>shop</title><script src="${server()}/sdk/sluice.js" data-topic="${topic}" ${attributes}></script>`;
  page.on("request", (request) => {
    if (request.url().includes("/v1/collect")) sent.push({ url: new URL(request.url()), body: request.postData() ?? "" });
  });
  await page.goto(shop());
  await expect.poll(() => page.evaluate(() => typeof (window as never as { sluice?: unknown }).sluice)).toBe("object");
  return sent;
}

const track = (page: Page, client: string, count: number) =>
  page.evaluate(
    ([client, count]) => {
      const { track } = (window as never as { sluice: { track(row: unknown): boolean } }).sluice;
      for (let i = 0; i < Number(count); i++) {
        track({ clientId: client, screenId: "sdk", eventTime: new Date().toISOString(), xNorm: i / Number(count), yNorm: 0.5, kind: "move", viewportW: 1280 });
      }
    },
    [client, count] as const,
  );

async function count(page: Page, client: string) {
  const answer = await page.request.post(server() + "/v1/sql", {
    headers: { "Content-Type": "application/json" },
    data: { sql: "select count(*) from bronze.pointer_moved where client_id = $client", params: { client } },
  });
  return (await answer.json()).rows[0][0];
}

test("the script is at most 3 kB", async ({ request }) => {
  const body = await (await request.get("/sdk/sluice.js")).body();
  expect(body.length).toBeLessThanOrEqual(3072);
});

test("events of a page arrive by themselves", async ({ page }) => {
  const sent = await open(page, 'data-every="0.2"');
  const client = `sdk-${Date.now()}`;
  await track(page, client, 10);
  await expect.poll(() => count(page, client)).toBe(10);
  expect(sent.length).toBe(1);
});

test("what waits when a page is left arrives, once", async ({ page }) => {
  await open(page, 'data-every="600"');
  const client = `sdk-left-${Date.now()}`;
  await track(page, client, 7);
  expect(await count(page, client)).toBe(0);
  await page.goto("about:blank");
  await expect.poll(() => count(page, client)).toBe(7);
});

test("what waits when a page is hidden arrives; sent twice, it is known", async ({ page }) => {
  await open(page, 'data-every="600"');
  const client = `sdk-hidden-${Date.now()}`;
  await track(page, client, 7);
  const beacons = await page.evaluate(() => {
    const seen: string[][] = [];
    const send = navigator.sendBeacon.bind(navigator);
    navigator.sendBeacon = (to, body) => (seen.push([String(to), String(body)]), send(to, body));
    Object.defineProperty(document, "visibilityState", { get: () => "hidden" });
    document.dispatchEvent(new Event("visibilitychange", { bubbles: true }));
    window.dispatchEvent(new Event("pagehide"));
    return seen;
  });
  expect(beacons.length).toBe(1);
  await expect.poll(() => count(page, client)).toBe(7);
  const again = await page.request.post(beacons[0][0], {
    headers: { "Content-Type": "text/plain", Origin: shop() },
    data: beacons[0][1],
  });
  expect(await again.json()).toEqual({ received: 7, accepted: 0, duplicate: 7, error: 0 });
  expect(await count(page, client)).toBe(7);
});

test("a batch that is refused is told of", async ({ page }) => {
  const told: string[] = [];
  page.on("console", (message) => message.type() === "warning" && told.push(message.text()));
  const headers = { "Access-Control-Allow-Origin": "*" };
  const problem = JSON.stringify({ code: "SL4031", detail: "the key is for another topic" });
  await page.route("**/v1/collect*", (route) => route.fulfill({ status: 403, headers, contentType: "application/problem+json", body: problem }));
  const sent = await open(page, 'data-every="0.2"');
  await track(page, "sdk-refused", 1);
  await expect.poll(() => told.join()).toContain("403 SL4031 the key is for another topic");
  await page.unroute("**/v1/collect*");
  await page.route("**/v1/collect*", (route) => route.fulfill({ status: 413, headers, body: "no" }));
  await track(page, "sdk-refused", 1);
  await expect.poll(() => told.join()).toContain("413");
  expect(sent.length).toBe(2); // Not sent again: it would be refused again.
});

test("batches stay below what browsers take, and a server that is busy gets them later", async ({ page }) => {
  let refused = 0;
  await page.route("**/v1/collect*", (route) => (refused++ < 2 ? route.fulfill({ status: 503, headers: { "Access-Control-Allow-Origin": "*" } }) : route.continue()));
  const sent = await open(page, 'data-every="0.2"');
  const client = `sdk-many-${Date.now()}`;
  await track(page, client, 900);
  await expect.poll(() => count(page, client), { timeout: 30_000 }).toBe(900);
  for (const one of sent) expect(one.body.length).toBeLessThanOrEqual(48 * 1024);
  expect(new Set(sent.map((one) => one.url.searchParams.get("batch_id"))).size).toBeLessThan(sent.length);
});
