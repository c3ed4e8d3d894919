import { joined, parse, spread, write as json } from "../src/json";
import { expect, rowsOf, send, shopEvent, test, write } from "./watched";

const BIG = "9007199254740993"; // 2^53 + 1: a JavaScript number cannot hold it.
const MOST = "9223372036854775807";

test("JSON keeps its numbers, whatever their size", () => {
  const text = `{"a":${MOST},"b":[-${MOST},1.5,-0.0,1e300],"c":"${BIG}","d":{"e":${BIG}}}`;
  expect(json(parse(text))).toBe(text.replace("-0.0", "0").replace("1e300", "1e+300"));
  expect(parse('{"n":9007199254740991}')).toEqual({ n: 9007199254740991 });
  for (const one of [text, "[]", "{}", '{"a":[],"b":{},"c":[[1]]}', '[1.50,"a, b: {\\"c\\"}",12345678901234567890.10]', `"${BIG}"`, "1e999"]) {
    expect(joined(spread(one))).toBe(one);
    expect(JSON.parse(spread(one))).toEqual(JSON.parse(one));
  }
  expect(spread('{"a":[1,{"b":[]}],"c":{}}')).toBe('{\n  "a": [\n    1,\n    {\n      "b": []\n    }\n  ],\n  "c": {}\n}');
  expect(spread('{"a": 1,}')).toBe('{"a": 1,}');
});

test("integers beyond 2^53 are shown as they are, in results, live and in the event", async ({ page }) => {
  await page.goto("/#/sql");
  await write(page, `select ${MOST} as a, {'b': [${BIG}]} as c, 18446744073709551615::ubigint as d`);
  await page.keyboard.press("Control+Enter");
  await expect(page.locator("table.data tbody td")).toHaveText([MOST, `{"b":[${BIG}]}`, "18446744073709551615"]);
  const id = `big-${Date.now()}`;
  await send(page, [shopEvent(id, { userId: BigInt(MOST) })]);
  await page.goto("/#/live/shop.user-events");
  const row = page.locator("table.events tbody tr", { hasText: id });
  await expect(row).toContainText(MOST);
  await row.click();
  await expect(page.getByRole("complementary", { name: "The event" })).toContainText(MOST);
});

test("an event that is mended keeps its other numbers", async ({ page }) => {
  const id = `exact-${Date.now()}`;
  await send(page, [shopEvent(id, { userId: BigInt(BIG), eventType: "dance" })]);
  await page.goto("/#/errors");
  await page.getByRole("row", { name: /eventType/ }).first().click();
  const text = page.getByRole("textbox", { name: /Event of error/ });
  await expect(text).toHaveValue(new RegExp(`"userId": ${BIG},`));
  await text.fill((await text.inputValue()).replace("dance", "click"));
  await page.getByRole("button", { name: "Send again" }).click();
  await expect(page.getByRole("status").filter({ hasText: "Accepted" })).toBeVisible();
  expect(await rowsOf(page, `select user_id::varchar from bronze.shop_user_events where event_id = '${id}'`)).toEqual([[BIG]]);
});
