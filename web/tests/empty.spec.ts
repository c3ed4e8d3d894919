import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

import { VIEWS, expect, seriousFindings, test, write } from "./watched";

// A project without any schema: the first hour. The tests of this file build on each other.
test.use({ baseURL: process.env.SLUICE_EMPTY_SERVER });
test.describe.configure({ mode: "serial" });

const address = () => new URL(process.env.SLUICE_EMPTY_SERVER!).host;

for (const place of [...VIEWS, "tables/bronze.nothing", "live/nothing"]) {
  test(`${place} says why it is empty, and can be used`, async ({ page }) => {
    await page.goto(`/#/${place}`);
    await expect(page.locator("h1")).toBeVisible();
    if (place === "sql") await expect(page.getByText("Ask something")).toBeVisible();
    else if (place === "errors") await expect(page.getByText(`sluice --server ${address()} send -`)).toBeVisible();
    else if (place === "tables/bronze.nothing") await expect(page.getByRole("link", { name: "All tables" })).toBeVisible();
    else if (place === "tables") await expect(page.getByRole("link", { name: "system.errors" })).toBeVisible();
    else await expect(page.getByText(`sluice --server ${address()} schema add shop.capnp`).first()).toBeVisible();
    expect(await seriousFindings(page)).toEqual([]);
    await page.screenshot({ path: `${process.env.SLUICE_PAGE_OUT}/empty-${place.replaceAll("/", "-")}.png` });
  });
}

test("the first steps tick when they were taken, not when the page looks", async ({ page }) => {
  const step = (text: string) => page.getByRole("listitem").filter({ hasText: text });
  await page.goto("/");
  await expect(step("Query it")).toContainText("(to do)");
  // A minute of a page that is open, and of a program that shows something.
  for (const view of VIEWS) await page.goto(`/#/${view}`);
  for (let i = 0; i < 20; i++) {
    const shown = await page.request.post("/v1/sql", { data: "select 1", headers: { "Content-Type": "text/plain", "Sluice-Background": "true" } });
    expect(shown.status()).toBe(200);
  }
  await page.goto("/#/overview");
  await page.waitForTimeout(1500);
  await expect(step("Query it")).toContainText("(to do)");

  await page.goto("/#/sql");
  await page.getByRole("tab", { name: "History" }).click();
  await expect(page.getByText("No query yet")).toBeVisible();
  await write(page, "select 1 as one where false");
  await page.getByRole("button", { name: "Run what stands above" }).click();
  await expect(page.getByText("No row fits")).toBeVisible();
  await expect(page.getByRole("link", { name: "events as they come" })).toBeVisible();
  await write(page, "select sql from system.queries");
  await page.keyboard.press("Control+Enter");
  await expect(page.locator("table.data tbody tr")).toHaveCount(2); // Those of this test alone, itself included.
  await page.goto("/#/overview");
  await expect(step("Query it")).toContainText("(done)");

  await page.goto("/#/tables/system.errors");
  await page.getByRole("tab", { name: "Files" }).click();
  await expect(page.getByText("No file yet")).toBeVisible();
  await expect(page.getByText("Events come first, then files.")).toBeVisible();
});

test("the commands of an empty page do what they say, as they stand", async ({ page }) => {
  await page.goto("/#/live");
  await expect(page.locator(".commands code")).toHaveCount(4);
  const commands = await page.locator(".commands code").allInnerTexts();
  const folder = mkdtempSync(join(tmpdir(), "sluice-page-"));
  try {
    for (const command of commands) {
      execFileSync("sh", ["-c", command], {
        cwd: folder,
        stdio: "pipe",
        env: { ...process.env, PATH: `${dirname(process.env.SLUICE_BINARY!)}:${process.env.PATH}` },
      });
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  await expect(page.locator("table.events tbody tr")).toHaveCount(100);
  await page.goto("/#/tables/bronze.shop_user_events");
  await page.getByRole("tab", { name: "Files" }).click();
  await page.getByRole("button", { name: "Land them now" }).click();
  await expect(page.getByRole("region", { name: "files" })).toContainText(".parquet");
});
