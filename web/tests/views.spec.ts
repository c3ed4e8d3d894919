import { VIEWS, expect, seriousFindings, shopEvent, send, test, write } from "./watched";

const places = [...VIEWS, "tables/bronze.shop_user_events", "topics/user.identity.created", "live/shop.user-events"];

for (const theme of ["light", "dark"] as const) {
  for (const place of places) {
    test(`${place} in ${theme} has a title, no serious finding of axe, and can be looked at`, async ({ page }) => {
      await page.emulateMedia({ colorScheme: theme });
      await page.goto(`/#/${place}`);
      await expect(page.locator("h1")).toBeVisible();
      if (place === "sql") await expect(page.getByRole("textbox", { name: "SQL" })).toBeVisible();
      else if (place.startsWith("live")) await expect(page.locator("table.events tbody tr").first()).toBeVisible();
      else await expect(page.locator("main table tbody tr").first()).toBeVisible();
      expect(await seriousFindings(page)).toEqual([]);
      await page.screenshot({ path: `${process.env.SLUICE_PAGE_OUT}/${place.replaceAll("/", "-")}-${theme}.png` });
    });
  }
}

test("it is used by keyboard", async ({ page }) => {
  await page.goto("/");
  await expect(page.locator("h1")).toHaveText("Overview");
  for (const [key, title] of [["l", "Live"], ["e", "Errors"], ["t", "Tables"], ["c", "Topics & schemas"], ["o", "Overview"]]) {
    await page.keyboard.press("g");
    await page.keyboard.press(key);
    await expect(page.locator("h1")).toHaveText(title);
  }
  await page.keyboard.press("/");
  await expect(page.getByRole("combobox", { name: "Go to" })).toBeFocused();
  await page.keyboard.type("shop table");
  await page.keyboard.press("Enter");
  await expect(page.locator("h1")).toHaveText("bronze.shop_user_events");
  await page.keyboard.press("?");
  await expect(page.getByRole("dialog", { name: "Keys" })).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(page.getByRole("dialog", { name: "Keys" })).toBeHidden();
  await page.keyboard.press("Tab");
  expect(await page.evaluate(() => document.activeElement !== document.body)).toBe(true);
});

test("the theme that is chosen stays", async ({ page }) => {
  await page.emulateMedia({ colorScheme: "light" });
  await page.goto("/");
  const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await background();
  await page.getByRole("button", { name: "Dark" }).click();
  expect(await background()).not.toBe(light);
  await page.reload();
  await expect(page.getByRole("button", { name: "Light" })).toBeVisible();
  expect(await background()).not.toBe(light);
});

test("what is sent is counted and seen", async ({ page }) => {
  await page.goto("/#/live/shop.user-events");
  await expect(page.locator("table.events")).toBeVisible();
  await page.getByRole("textbox", { name: "Filter" }).fill("page = '/only-here'");
  await page.keyboard.press("Enter");
  await expect(page.getByText("No event fits the filter")).toBeVisible();
  const id = `live-${Date.now()}`;
  await send(page, [shopEvent(id, { page: "/only-here" })]);
  const row = page.locator("table.events tbody tr", { hasText: id });
  await expect(row).toBeVisible();
  await row.click();
  await expect(page.getByRole("complementary", { name: "The event" })).toContainText(id);
  await page.getByRole("textbox", { name: "Filter" }).fill("no_such = 1");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("alert")).toContainText("SL2104");
});

test("an error is mended, and its group replayed", async ({ page }) => {
  const id = `mend-${Date.now()}`;
  await send(page, [shopEvent(id, { userId: "not a number" })]);
  await page.goto("/#/errors");
  await page.getByRole("row", { name: /SL3012.*userId/ }).click();
  const text = page.getByRole("textbox", { name: /Event of error/ });
  await expect(text).toHaveValue(new RegExp(id));
  await page.getByRole("button", { name: "Send again" }).click();
  await expect(page.getByText("Still not: SL3012 userId")).toBeVisible();
  // The attempt stands in the place of the error that it was made from.
  await page.reload();
  await page.getByRole("row", { name: /SL3012.*userId/ }).click();
  await expect(text).toHaveValue(new RegExp(id));
  await text.fill((await text.inputValue()).replace('"not a number"', "7"));
  await page.getByRole("button", { name: "Send again" }).click();
  await expect(page.getByRole("status").getByText("Accepted")).toBeVisible();
  const answer = await page.request.post("/v1/sql", { data: `select user_id from bronze.shop_user_events where event_id = '${id}'`, headers: { "Content-Type": "text/plain" } });
  expect((await answer.json()).rows).toEqual([[7]]);

  await page.getByRole("row", { name: /SL3015/ }).click();
  await page.getByRole("button", { name: "Replay all" }).click();
  await expect(page.getByText(/would be sent again: 0 would be accepted now, 0 are there already, \d+ still do not fit/)).toBeVisible();
  await page.getByRole("button", { name: /^Replay \d/ }).click();
  await expect(page.getByRole("status").getByText("still wrong")).toBeVisible();
});

test("SQL completes, runs, marks mistakes, draws, remembers, and is stopped", async ({ page }) => {
  await page.goto("/#/sql");
  await expect(page.locator(".catalog").getByText("shop_user_events")).toBeVisible();
  await write(page, "select * from bronze.shop_u");
  await page.keyboard.press("Control+Space");
  await expect(page.locator(".cm-tooltip-autocomplete")).toContainText("shop_user_events");
  await page.keyboard.press("Escape");
  await write(page, "select event_type, count(*) as events\nfrom bronze.shop_user_events group by 1 order by 2 desc");
  await page.keyboard.press("Control+Enter");
  await expect(page.locator("table.data tbody tr").first()).toContainText("click");
  await page.getByRole("tab", { name: "Chart" }).click();
  await expect(page.getByRole("img", { name: "events by event_type" })).toBeVisible();
  // A place is counted in bytes by the server and in characters here: é and 𝄞 lie before the mistake.
  await write(page, "select 'é𝄞' as x, event_typ from bronze.shop_user_events");
  await page.keyboard.press("Control+Enter");
  await expect(page.getByRole("alert")).toContainText("SL2104");
  await expect(page.locator(".cm-lintRange-error")).toHaveText("event_typ");
  await write(page, "select count(*) from range(1000000) a, range(1000000) b, range(1000) c where a.range + b.range + c.range = 7");
  await page.keyboard.press("Control+Enter");
  await page.getByRole("button", { name: "Cancel" }).click();
  await expect(page.getByRole("alert")).toContainText("SL2205");
  await page.getByRole("tab", { name: "History" }).click();
  await expect(page.locator(".history li")).toHaveCount(3);
  await page.reload();
  await page.getByRole("tab", { name: "History" }).click();
  await expect(page.locator(".history li")).toHaveCount(3);
});

test("a table of before can be asked for", async ({ page }) => {
  await page.goto("/#/sql");
  await write(page, "select count(*) as n from bronze.shop_user_events");
  await page.getByLabel("As of").fill("0");
  await page.getByRole("button", { name: "Run" }).click();
  await expect(page.locator("table.data tbody td")).toHaveText("0");
});

test("a schema is tried, and added", async ({ page }) => {
  await page.goto("/#/topics");
  await page.getByRole("button", { name: "Try a schema" }).click();
  const text = page.getByRole("textbox", { name: /Text of the schema/ });
  const good = (await text.inputValue()).replace("shop.orders", `shop.orders-${Date.now()}`);
  await text.fill(good.replace(":Text $Sl.id", ":Txt $Sl.id"));
  await page.getByRole("button", { name: "Try", exact: true }).click();
  await expect(page.getByRole("alert")).toContainText("SL1101");
  await text.fill(good);
  await page.getByRole("button", { name: "Try", exact: true }).click();
  await expect(page.getByText("would be a new topic")).toBeVisible();
  await page.getByRole("button", { name: "Add", exact: true }).click();
  await expect(page.locator("h1")).toContainText("shop.orders-");
  await expect(page.getByText("hash", { exact: true })).toBeVisible();

  await page.getByRole("button", { name: "Try a change" }).click();
  await text.fill(good.replace("\n}", "\n  note @3 :Text;\n}"));
  await page.getByRole("button", { name: "Try", exact: true }).click();
  await page.getByRole("button", { name: "Add", exact: true }).click();
  await page.getByLabel("Compare with").selectOption("1");
  const differences = page.getByLabel("Differences of the texts");
  await expect(differences.locator(".new")).toHaveText(/^\+\s*note @3 :Text;$/);
  await expect(differences.locator(".gone")).toHaveCount(0);
  await expect(page.getByRole("region", { name: "Changes" }).first()).toContainText("note");
  await page.getByLabel("Version", { exact: true }).selectOption("1");
  await expect(differences).toHaveCount(0);
});

for (const theme of ["light", "dark"] as const) {
  test(`an answer, a long line and a mistake in ${theme} have no serious finding of axe`, async ({ page }) => {
    await page.emulateMedia({ colorScheme: theme });
    await page.goto("/#/sql");
    await write(page, `select 1 as one, 'two' as two, null as three ${" ".repeat(200)} -- a line that is scrolled`);
    await page.keyboard.press("Control+Enter");
    await expect(page.locator("table.data tbody td").first()).toHaveText("1");
    expect(await seriousFindings(page)).toEqual([]);
    await write(page, "selec 1");
    await page.keyboard.press("Control+Enter");
    await expect(page.getByRole("alert")).toContainText("SL2001");
    expect(await seriousFindings(page)).toEqual([]);
  });
}

test("the history of a table is of what came into it", async ({ page }) => {
  await page.request.post("/v1/admin/land");
  await page.goto("/#/tables/bronze.shop_user_events");
  await page.getByRole("tab", { name: "History" }).click();
  await expect(page.getByRole("cell", { name: "LAND" }).first()).toBeVisible();
  await expect(page.getByRole("cell", { name: "ERROR" })).toHaveCount(0);
});
