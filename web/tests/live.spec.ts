import { expect, rowsOf, send, shopEvent, test } from "./watched";

test("a filter that nothing fits looks at the newest events once, and further back when asked", async ({ page }) => {
  const mark = `/rare-${Date.now()}`;
  await send(page, [shopEvent(`${mark}-first`, { page: mark })]);
  for (let part = 0; part < 3; part++) await send(page, Array.from({ length: 3400 }, (_, i) => shopEvent(`${mark}-${part}-${i}`)));
  const asked: string[] = [];
  page.on("request", (request) => request.url().endsWith("/v1/sql") && asked.push(request.postDataJSON().sql));
  await page.goto("/#/live/shop.user-events");
  await expect(page.locator("table.events tbody tr")).toHaveCount(100);
  await page.getByRole("textbox", { name: "Filter" }).fill(`page = '${mark}'`);
  await page.keyboard.press("Enter");
  await expect(page.getByText("No event fits the filter")).toBeVisible();
  await expect(page.getByText("Looked at the newest 10,000 events.")).toBeVisible();
  const before = asked.length;
  await page.waitForTimeout(3000);
  expect(asked.length).toBe(before); // Nothing came: nothing is asked.
  await page.getByRole("button", { name: "Look further back" }).click();
  await expect(page.locator("table.events tbody tr", { hasText: `${mark}-first` })).toBeVisible();
  // What comes is found among what came, not by looking through all again.
  await send(page, [shopEvent(`${mark}-second`, { page: mark })]);
  await expect(page.locator("table.events tbody tr", { hasText: `${mark}-second` })).toBeVisible();
  await expect(page.locator("table.events tbody tr")).toHaveCount(2);
  const tails = asked.filter((sql) => /order by _offset/.test(sql));
  expect(tails.length).toBeLessThanOrEqual(5);
  for (const sql of tails) expect(sql).toMatch(/where _offset >= \d+ and _offset < \d+/);
  expect(tails.at(-1)).toMatch(/_offset >= (\d+) and/);
  const [, from, to] = /_offset >= (\d+) and _offset < (\d+)/.exec(tails.at(-1)!)!;
  expect(Number(to) - Number(from)).toBe(1);
});

test("the keyboard goes through the events with arrows, and closes one with Escape", async ({ page }) => {
  const mark = `/keys-${Date.now()}`;
  await send(page, Array.from({ length: 5 }, (_, i) => shopEvent(`${mark}-${i}`, { page: mark })));
  await page.goto("/#/live/shop.user-events");
  await page.getByRole("textbox", { name: "Filter" }).fill(`page = '${mark}'`);
  await page.keyboard.press("Enter");
  const rows = page.locator("table.events tbody tr");
  await expect(rows).toHaveCount(5);
  await expect(rows.locator("button[tabindex='0']")).toHaveCount(1);
  const at = (i: number) => rows.nth(i).getByRole("button");
  await at(0).focus();
  await page.keyboard.press("ArrowUp"); // Nothing is above.
  await page.keyboard.press("ArrowDown");
  await expect(at(1)).toBeFocused();
  const event = page.getByRole("complementary", { name: "The event" });
  await expect(event).toBeHidden();
  await page.keyboard.press("Enter");
  await expect(event).toContainText(`${mark}-3`); // The newest is the first.
  await page.keyboard.press("ArrowDown");
  await expect(event).toContainText(`${mark}-2`);
  await expect(at(2)).toHaveAttribute("tabindex", "0");
  await page.keyboard.press("Escape");
  await expect(event).toBeHidden();
  await expect(at(2)).toBeFocused();
});

test("a condition that is wrong is asked once, and again on demand", async ({ page }) => {
  let asked = 0;
  page.on("request", (request) => request.url().endsWith("/v1/sql") && /no_such/.test(request.postData() ?? "") && asked++);
  await send(page, [shopEvent(`wrong-${Date.now()}`)]);
  await page.goto("/#/live/shop.user-events");
  await page.getByRole("textbox", { name: "Filter" }).fill("no_such = 1");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("alert")).toContainText("SL2104");
  await page.waitForTimeout(2000);
  expect(asked).toBe(1);
  await page.getByRole("button", { name: "Ask again" }).click();
  await expect.poll(() => asked).toBe(2);
});

test("personal data that is stored in clear is shown as dots, until somebody asks", async ({ page }) => {
  const topic = `people${Date.now()}`;
  const id = (0x8a41c6df00000000n + BigInt(Date.now() % 0x7fffffff)).toString(16);
  const added = await page.request.post("/v1/admin/schemas", {
    headers: { "Content-Type": "text/plain" },
    data:
      `@0x${id};\nusing Sl = import "sluice.capnp";\nstruct Person $Sl.event("${topic}") {\n` +
      `  key @0 :Text $Sl.id; email @1 :Text $Sl.pii("contact"); city @2 :Text; home @3 :Home;\n` +
      `  struct Home { street @0 :Text $Sl.pii("address"); }\n}\n`,
  });
  expect(added.status()).toBe(200);
  await send(page, [{ event: topic, content: { key: "k", email: "ada@example.com", city: "Utrecht", home: { street: "Main Street 1" } } }]);
  expect(await rowsOf(page, `select email from bronze.${topic}`)).toEqual([["ada@example.com"]]);
  await page.goto(`/#/live/${topic}`);
  const row = page.locator("table.events tbody tr");
  await expect(row).toContainText("Utrecht");
  await expect(row).toContainText("email ••••••");
  await row.click();
  const detail = page.getByRole("complementary", { name: "The event" });
  await expect(detail).toContainText("Utrecht");
  for (const clear of ["ada@example.com", "Main Street"]) await expect(page.locator("main")).not.toContainText(clear);
  await page.getByRole("button", { name: "Show personal data" }).click();
  await expect(row).toContainText("ada@example.com");
  await expect(detail).toContainText("Main Street 1");
  await page.getByRole("button", { name: "Hide personal data" }).click();
  await expect(page.locator("main")).not.toContainText("ada@example.com");
});

test("what its schema protects is a digest here too, and there is nothing to uncover", async ({ page }) => {
  const name = `identity-${Date.now()}`;
  await send(page, [{ event: "user.identity.created", event_id: name, content: { userId: name, email: `${name}@example.com`, name: "Ada Lovelace" } }]);
  await page.goto("/#/live/user.identity.created");
  const row = page.locator("table.events tbody tr", { hasText: name });
  await expect(row).toContainText(/email h1\./);
  await expect(row).toContainText(/name s1\./);
  await expect(page.locator("main")).not.toContainText(`${name}@example.com`);
  await expect(page.locator("main")).not.toContainText("Ada Lovelace");
  await expect(page.getByRole("button", { name: "Show personal data" })).toHaveCount(0);
});
