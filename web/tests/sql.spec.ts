import { readFile } from "node:fs/promises";

import { expect, rowsOf, test, write } from "./watched";

test("a statement that changes rows is asked about, runs once, and is never run again by a download", async ({ page }) => {
  const id = `insert-${Date.now()}`;
  const count = () => rowsOf(page, `select count(*) from bronze.shop_user_events where event_id = '${id}'`);
  const downloads = page.getByRole("button", { name: /^Download as/ });
  await page.goto("/#/sql");
  await write(page, `-- a comment first\nInsert into bronze.shop_user_events (event_id, event_time) values ('${id}', timestamptz '2026-01-05 10:00:00Z')`);
  const dialog = page.getByRole("dialog", { name: "This changes rows" });
  await page.keyboard.press("Control+Enter");
  await expect(dialog).toContainText(id);
  await expect(dialog.getByRole("button", { name: "Leave it" })).toBeFocused();
  await dialog.getByRole("button", { name: "Leave it" }).click();
  await expect(dialog).toBeHidden();
  expect(await count()).toEqual([[0]]);
  await page.getByRole("button", { name: "Run", exact: false }).first().click();
  await dialog.getByRole("button", { name: "Run it" }).click();
  await expect(page.locator("table.data th")).toContainText(["rows_deleted", "rows_updated", "rows_inserted"]);
  await expect(downloads).toHaveCount(0);
  expect(await count()).toEqual([[1]]);
  for (const text of [`delete from bronze.shop_user_events where event_id = '${id}'`, "update bronze.shop_user_events set page = 'x'", "/* */ merge into t using s"]) {
    await write(page, text);
    await page.keyboard.press("Control+Enter");
    await dialog.getByRole("button", { name: "Leave it" }).click();
  }
  expect(await count()).toEqual([[1]]);
  // What reads is not asked about.
  await write(page, `with one as (select event_id from bronze.shop_user_events where event_id = '${id}') select * from one`);
  await page.keyboard.press("Control+Enter");
  await expect(page.locator("table.data tbody td").first()).toHaveText(id);
  await expect(downloads).toHaveCount(4);
  const [file] = await Promise.all([page.waitForEvent("download"), downloads.first().click()]);
  expect(await readFile(await file.path(), "utf8")).toBe(`event_id\r\n${id}\r\n`);
});

test("a download is as of what ran, not of what stands in the field", async ({ page }) => {
  await page.goto("/#/sql");
  await write(page, "select count(*) as n from bronze.shop_user_events");
  await page.getByLabel("As of").fill("0");
  await page.getByRole("button", { name: "Run", exact: false }).first().click();
  await expect(page.locator("table.data tbody td")).toHaveText("0");
  await page.getByLabel("As of").fill("");
  const asked = page.waitForRequest((request) => request.url().endsWith("/v1/sql") && request.headers()["accept"] === "text/csv");
  const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Download as csv" }).click()]);
  expect((await asked).postDataJSON().as_of).toBe("0");
  expect(await readFile(await file.path(), "utf8")).toBe("n\r\n0\r\n");
});

test("the catalog is one question, and has the columns that a schema gets later", async ({ page }) => {
  const name = `catalog${Date.now()}`;
  const schema = (more = "") =>
    `@0x${(0x8a41c6de00000000n + BigInt(Date.now() % 0x7fffffff)).toString(16)};\nusing Sl = import "sluice.capnp";\n` +
    `struct Thing $Sl.event("${name}") { key @0 :Text $Sl.id; ${more} }\n`;
  const first = schema();
  const add = (text: string) => page.request.post("/v1/admin/schemas", { data: text, headers: { "Content-Type": "text/plain" } });
  expect((await add(first)).status()).toBe(200);
  const asked: string[] = [];
  page.on("request", (request) => request.url().endsWith("/v1/sql") && asked.push(request.postDataJSON().sql));
  await page.goto("/#/sql");
  const catalog = page.getByRole("region", { name: "Catalog" });
  await catalog.getByText(name, { exact: true }).click();
  await expect(catalog.getByRole("button", { name: /^key / })).toBeVisible();
  await catalog.getByText("system", { exact: true }).click();
  for (const table of ["columns", "errors", "maintenance", "queries"]) await expect(catalog.getByText(table, { exact: true })).toBeVisible();
  expect(asked.filter((sql) => /system\.columns/.test(sql)).length).toBe(1);
  expect(asked.filter((sql) => /limit 0/.test(sql))).toEqual([]);
  expect((await add(first.replace(" }", "later @1 :Int64; }"))).status()).toBe(200);
  await expect(catalog.getByRole("button", { name: /^later int64/ })).toBeVisible({ timeout: 20_000 });
});
