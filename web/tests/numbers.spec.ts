import { joined, parse, spread, write as json } from "../src/json";
import { isNumber, lines } from "../src/parts/points";
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

const result = (types: string[], rows: unknown[][]) => ({
  columns: types.map((type, i) => ({ name: `c${i}`, type })),
  rows,
  row_count: rows.length,
  complete: true,
});

test("what is drawn is what was found: null is no 0, a time without zone is no local one", () => {
  expect(lines(result(["int64", "double"], [[2, null], [null, 5], [1, "NaN"], [3, 4n]]), [1])).toEqual([[1, 2, 3], [null, null, 4]]);
  const noon = Date.UTC(2026, 0, 5, 12) / 1000;
  expect(lines(result(["timestamp[us]", "int64"], [["2026-01-05T12:00:00", 1]]), [1])[0]).toEqual([noon]);
  expect(lines(result(["timestamp[us, tz=UTC]", "int64"], [["2026-01-05T12:00:00Z", 1]]), [1])[0]).toEqual([noon]);
  expect(lines(result(["date32[day]", "decimal128(10, 2)"], [["2026-01-05", "1.50"]]), [1])).toEqual([[noon - 43_200], [1.5]]);
  for (const type of ["int8", "uint64", "float", "double", "halffloat", "decimal128(38, 0)"]) expect(isNumber(type)).toBe(true);
  for (const type of ["struct<a: int64>", "list<l: int32>", "month_day_nano_interval", "map<string, double>"]) expect(isNumber(type)).toBe(false);
});

test("a query for more rows than the page takes says what to write", async ({ page }) => {
  await page.goto("/#/sql");
  await write(page, "select * from range(10001)");
  await page.keyboard.press("Control+Enter");
  await expect(page.getByRole("alert")).toContainText('more than 10000 rows: end it with "limit 10000"');
});
