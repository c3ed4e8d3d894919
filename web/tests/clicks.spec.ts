import { expect, test } from "./watched";

// examples/clicks: a page of another server, whose pointer moves come in and are drawn over it.
test("where the pointer was is drawn over the page", async ({ page }) => {
  await page.goto(process.env.SLUICE_CLICKS!);
  await expect(page.getByRole("button", { name: "Pay now" })).toBeVisible();
  const box = (await page.locator("#screen").boundingBox())!;
  const at = (x: number, y: number) => [box.x + box.width * x, box.y + box.height * y] as const;
  for (let i = 0; i <= 20; i++) {
    await page.mouse.move(...at(0.1 + 0.03 * i, 0.6));
    await page.waitForTimeout(60); // The page tells of twenty moves a second.
  }
  await page.mouse.click(...at(0.25, 0.6));
  await expect(page.locator("#told")).toContainText(/^([2-9]|\d\d)\d* events/);
  // The cell that was clicked is the hottest; one where nobody was stays clear.
  const alpha = (x: number, y: number) =>
    page.evaluate(([x, y]) => (document.getElementById("heat") as HTMLCanvasElement).getContext("2d")!.getImageData(x, y, 1, 1).data[3], [x, y]);
  await expect.poll(() => alpha(16, 21)).toBeGreaterThan(200);
  expect(await alpha(16, 3)).toBe(0);
});
