import { defineConfig } from "@playwright/test";

// Run by tests/system/test_page_browser.py, which starts the server and says where it and the browser are.
export default defineConfig({
  testDir: "tests",
  outputDir: process.env.SLUICE_PAGE_OUT ?? "test-results",
  timeout: 60_000,
  expect: { timeout: 10_000 },
  workers: 1,
  reporter: "line",
  use: {
    baseURL: process.env.SLUICE_SERVER,
    viewport: { width: 1440, height: 900 },
    launchOptions: { executablePath: process.env.SLUICE_CHROMIUM, args: ["--no-sandbox"] },
  },
});
