import { defineConfig, loadEnv } from "vite";

const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

export default defineConfig(({ mode }) => {
  const server = loadEnv(mode, ".", "SLUICE_").SLUICE_SERVER ?? "http://127.0.0.1:7117";
  const proxy = { "/v1": server, "/metrics": server, "/healthz": server, "/readyz": server, "/openapi.json": server };
  return {
    build: {
      target: "es2022",
      modulePreload: { polyfill: false },
      assetsInlineLimit: 0, // The content security policy takes nothing inline.
      chunkSizeWarningLimit: 600,
    },
    server: { proxy },
    preview: { proxy, headers: { "Content-Security-Policy": POLICY } }, // As the program serves it.
  };
});
