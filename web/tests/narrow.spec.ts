import { VIEWS, expect, seriousFindings, send, shopEvent, test, write } from "./watched";

const WIDTH = 380;
const LONG = "wide.events-with-a-name-that-is-longer-than-any-telephone-is-wide";
test.use({ viewport: { width: WIDTH, height: 780 } });

test.beforeEach(async ({ page }) => {
  const schema = JSON.stringify({
    "x-sluice": { event: LONG },
    type: "object",
    properties: { id: { type: "string", "x-sluice": { id: true } } },
  });
  const added = await page.request.post("/v1/admin/schemas?name=long.json", { data: schema, headers: { "Content-Type": "text/plain" } });
  expect(added.status()).toBe(200);
});

for (const place of [...VIEWS, "tables/bronze.shop_user_events", `topics/${LONG}`, `live/${LONG}`]) {
  test(`${place} on a telephone: nothing is cut off, and one sees where one is`, async ({ page }) => {
    await page.goto(`/#/${place}`);
    await expect(page.locator("h1")).toBeVisible();
    await expect(page.locator("main .card:visible").first()).toBeVisible();
    await expect(page.locator(".side [aria-current]")).toBeInViewport({ ratio: 0.99 });
    // What a table has beyond the edge is scrolled to; what else is there, is not.
    const beyond = () =>
      page.evaluate((width) =>
        [...document.querySelectorAll("main button, main a, main h1, main .pill, main input, main select")]
          .filter((one) => !one.closest(".grid-wrap, .catalog, .commands"))
          .filter((one) => one.getBoundingClientRect().right > width)
          .map((one) => one.textContent), WIDTH);
    await expect.poll(beyond).toEqual([]);
    expect(await seriousFindings(page)).toEqual([]);
  });
}

test("on a telephone the answer to a query can be read, and all that the wide frame offers is there", async ({ page }) => {
  await page.goto("/#/sql");
  await write(page, "select 1 as only");
  await page.getByRole("button", { name: "Run", exact: false }).first().click();
  await expect(page.locator("table.data tbody td")).toBeInViewport({ ratio: 1 });
  await expect(page.getByText("1 row in")).toBeVisible();
  for (const name of ["UTC", "Keys"]) {
    await page.getByRole("button", { name }).scrollIntoViewIfNeeded();
    await expect(page.getByRole("button", { name })).toBeInViewport();
  }
});

test("a filter has room beside a long name", async ({ page }) => {
  await page.setViewportSize({ width: 1280, height: 800 });
  await send(page, [shopEvent(`room-${Date.now()}`)]);
  await page.goto(`/#/live/${LONG}`);
  await expect.poll(async () => (await page.getByRole("textbox", { name: "Filter" }).boundingBox())?.width).toBeGreaterThan(350);
});
