import { CORPUS } from "./corpus";
import { VIEWS, expect, send, shopEvent, test, write } from "./watched";

// The page fails its test when any script of theirs runs, anything is asked of elsewhere, or the policy had to step in.
test("what others wrote is shown, and never runs", async ({ page }) => {
  test.setTimeout(180_000);
  expect(CORPUS.length).toBe(200);
  const mark = Date.now();
  const receipt = await send(
    page,
    CORPUS.flatMap((text, i) => [
      // As a value, an id, the name of a field that no schema has; in errors as value, enumerant and topic.
      shopEvent(`${mark}-${i}-${text}`, { page: text, [text]: text }),
      shopEvent(`bad-${mark}-${i}`, { eventType: text, page: text }),
      { event: text.slice(0, 100), event_id: `t-${mark}-${i}`, content: { text } },
    ]),
  );
  expect(receipt.received).toBe(600);
  expect(receipt.accepted).toBe(200);

  await page.goto("/#/live/shop.user-events");
  await expect(page.locator("table.events tbody tr")).not.toHaveCount(0);
  await expect(page.locator("table.events")).toContainText(`${mark}-`);
  for (const row of [0, 40, 80]) await page.locator("table.events tbody tr").nth(row).click();

  await page.goto("/#/errors");
  await page.getByRole("row", { name: /SL3015/ }).click();
  for (let i = 0; i < 12; i++) {
    await expect(page.getByRole("textbox", { name: /Event of error/ })).toHaveValue(/bad-/);
    await page.getByRole("button", { name: "Older" }).click();
  }
  await page.getByRole("row", { name: /SL3011/ }).first().click();
  await expect(page.getByRole("textbox", { name: /Event of error/ })).toBeVisible();

  await page.goto("/#/sql");
  await write(page, `select page, _extra, event_id as "<img src=x onerror=foreignScriptRan(1)>" from bronze.shop_user_events where event_id like '${mark}-%'`);
  await page.keyboard.press("Control+Enter");
  await expect(page.locator("table.data tbody tr")).toHaveCount(200);
  const cells = await page.locator("table.data tbody tr td:first-child").allInnerTexts();
  expect(cells.filter((text) => text.includes("<")).length).toBe(200);
  await page.getByRole("tab", { name: "Chart" }).click();
  await write(page, `select page, count(*) as n from bronze.shop_user_events where event_id like '${mark}-%' group by 1`);
  await page.keyboard.press("Control+Enter");
  await expect(page.locator(".bars")).toBeVisible();
  // In the text of a query, its errors, and the history.
  for (const text of CORPUS.filter((_, i) => i % 20 === 0)) {
    await write(page, `select "${text.replaceAll('"', '""').replaceAll("\u0000", "")}" from bronze.shop_user_events`);
    await page.keyboard.press("Control+Enter");
    await expect(page.getByRole("alert")).toBeVisible();
  }
  await page.getByRole("tab", { name: "History" }).click();
  await expect(page.locator(".history li")).not.toHaveCount(0);

  // As a place in the page, and as a schema that is tried.
  for (const text of CORPUS.filter((_, i) => i % 25 === 0)) {
    for (const view of ["live", "tables", "topics"]) {
      await page.goto(`/#/${view}/${encodeURIComponent(text)}`);
      await expect(page.locator("h1")).toBeVisible();
    }
  }
  await page.goto("/#/topics");
  await page.getByRole("button", { name: "Try a schema" }).click();
  for (const text of CORPUS.filter((_, i) => i % 40 === 0)) {
    await page.getByRole("textbox", { name: /Text of the schema/ }).fill(text);
    await page.getByRole("button", { name: "Try", exact: true }).click();
    await expect(page.getByRole("alert")).toBeVisible();
  }
  for (const view of VIEWS) {
    await page.goto(`/#/${view}`);
    await expect(page.locator("h1")).toBeVisible();
  }
});

test("a server that is gone is said to be, and its return is seen", async ({ page }) => {
  await page.goto("/");
  await expect(page.getByText(/^up /)).toBeVisible();
  await page.route("**/v1/overview", (route) => route.abort());
  await expect(page.getByRole("alert")).toContainText("does not answer");
  // A view that was not fetched yet comes by itself.
  await page.route("**/assets/*", (route) => route.abort());
  await page.goto("/#/topics");
  await expect(page.getByText("This view could not be fetched")).toBeVisible();
  await page.unroute("**/assets/*");
  await page.unroute("**/v1/overview");
  await expect(page.getByRole("alert")).toHaveCount(0);
  await expect(page.locator("h1")).toHaveText("Topics & schemas");
});

test("where tokens exist the page asks for one, and keeps it in its tab alone", async ({ page, context }) => {
  const server = process.env.SLUICE_TOKEN_SERVER!;
  await page.goto(server);
  const dialog = page.getByRole("dialog", { name: "Token" });
  await expect(dialog).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(dialog).toBeVisible();
  await dialog.getByRole("textbox", { name: "Token" }).fill("sl_not_a_token");
  await dialog.getByRole("button", { name: "Go on" }).click();
  await expect(dialog.getByRole("alert")).toBeVisible();
  await dialog.getByRole("textbox", { name: "Token" }).fill(process.env.SLUICE_ADMIN_TOKEN!);
  await dialog.getByRole("button", { name: "Go on" }).click();
  await expect(page.getByText(/^up /)).toBeVisible();
  await page.reload();
  await expect(page.getByText(/^up /)).toBeVisible();
  expect(await page.evaluate(() => JSON.stringify({ ...localStorage }) + document.cookie)).not.toContain("sl_");
  const other = await context.newPage();
  await other.goto(server);
  await expect(other.getByRole("dialog", { name: "Token" })).toBeVisible();
});

test("its memory stays bounded while events come", async ({ page, context }) => {
  const seconds = Number(process.env.SLUICE_LIVE_SECONDS ?? 20);
  test.setTimeout((seconds + 60) * 1000);
  const session = await context.newCDPSession(page);
  const heap = async () => {
    await session.send("HeapProfiler.collectGarbage");
    return (await session.send("Runtime.getHeapUsage")).usedSize;
  };
  await page.goto("/#/live/shop.user-events");
  // Until the list is as long as it gets.
  await send(page, [shopEvent(`heap-${Date.now()}`)]);
  await expect(page.locator("table.events")).toBeVisible();
  await send(page, Array.from({ length: 900 }, (_, i) => shopEvent(`heap-${Date.now()}-${i}`)));
  await expect(page.locator("table.events tbody tr").nth(250)).toBeVisible();
  const before = await heap();
  const end = Date.now() + seconds * 1000;
  let n = 0;
  while (Date.now() < end) {
    await send(page, Array.from({ length: 100 }, () => shopEvent(`heap-${end}-${n++}`)));
    await page.evaluate(() => new Promise(requestAnimationFrame));
  }
  const grown = (await heap()) - before;
  console.log(`${n} events in ${seconds} s; the heap grew by ${(grown / 1e6).toFixed(1)} MB from ${(before / 1e6).toFixed(1)} MB`);
  expect(grown).toBeLessThan(10_000_000);
});
