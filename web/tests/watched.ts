/** A page that fails its test when it asks another machine for anything, runs a foreign script, or breaks. */
import AxeBuilder from "@axe-core/playwright";
import { test as base, expect, type Page } from "@playwright/test";

import { write as json } from "../src/json";

export { expect, type Page };

export const test = base.extend<{ page: Page }>({
  page: async ({ page }, use) => {
    const wrong: string[] = [];
    await page.route("**", (route) => {
      const { hostname, protocol } = new URL(route.request().url());
      if (protocol === "blob:" || protocol === "data:" || hostname === "127.0.0.1") return route.continue();
      wrong.push(`asked ${route.request().url()}`);
      return route.abort();
    });
    page.on("pageerror", (error) => wrong.push(`threw ${error.message}`));
    page.on("dialog", (dialog) => {
      wrong.push(`opened a dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
    await page.exposeFunction("foreignScriptRan", (what: string) => wrong.push(`ran ${what}`));
    await page.addInitScript(() => {
      document.addEventListener("securitypolicyviolation", (event) => {
        // Chromium's own editing puts a style on text that it joins; the editor draws the line anew.
        const inEditor = event.composedPath().some((at) => (at as HTMLElement).classList?.contains("cm-line"));
        if (!inEditor) void (window as never as { foreignScriptRan(w: string): void }).foreignScriptRan(
          `against the policy: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`,
        );
      });
    });
    await use(page);
    expect(wrong).toEqual([]);
  },
});

export const VIEWS = ["overview", "live", "errors", "sql", "tables", "topics"] as const;

/** What axe finds that keeps people from using the page. */
export async function seriousFindings(page: Page) {
  const found = await new AxeBuilder({ page }).analyze();
  return found.violations
    .filter((one) => one.impact === "serious" || one.impact === "critical")
    .map((one) => `${one.id}: ${one.nodes.map((node) => node.target.join(" ")).join(", ")} ${one.nodes[0].failureSummary}`);
}

/** The rows of a query that the page does not know of. */
export async function rowsOf(page: Page, sql: string): Promise<unknown[][]> {
  const answer = await page.request.post("/v1/sql", { data: sql, headers: { "Content-Type": "text/plain", "Sluice-Background": "true" } });
  expect(answer.status()).toBe(200);
  return (await answer.json()).rows;
}

/** Writes over what the editor has, as somebody would. */
export async function write(page: Page, text: string) {
  await page.locator(".cm-content").click();
  await page.keyboard.press("Control+a");
  await page.keyboard.press("Delete");
  await page.keyboard.insertText(text);
}

/** Makes one event of the shop; `more` goes into its content. */
export const shopEvent = (id: string, more: Record<string, unknown> = {}) => ({
  event: "shop.user-events",
  content: { eventId: id, userId: 7, eventType: "click", page: "/cart", timestamp: new Date().toISOString(), source: "web", ...more },
});

export async function send(page: Page, events: unknown[]) {
  const answer = await page.request.post("/v1/events", {
    headers: { "Content-Type": "application/x-ndjson" },
    data: events.map((one) => json(one) + "\n").join(""),
  });
  expect(answer.status()).toBe(200);
  return answer.json();
}
