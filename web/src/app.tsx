/** The frame: where one can go, and what holds everywhere. */
import { useComputed } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";

import { hasToken, setToken, tokenWanted } from "./api";
import { compact, toggleUtc, utc } from "./format";
import { Palette, openPalette } from "./parts/palette";
import { TokenDialog, KeysDialog, openKeys } from "./parts/dialogs";
import { Icon, Logo, Toast } from "./parts/ui";
import { go, link, route } from "./route";
import { overview, paused, refresh, unreachable } from "./state";
import { lazy } from "./parts/lazy";
import { Overview } from "./views/overview";

export const VIEWS = [
  { id: "overview", key: "o", title: "Overview", show: Overview },
  { id: "live", key: "l", title: "Live", show: lazy(() => import("./views/live").then((m) => m.Live)) },
  { id: "errors", key: "e", title: "Errors", show: lazy(() => import("./views/errors").then((m) => m.Errors)) },
  { id: "sql", key: "s", title: "SQL", show: lazy(() => import("./views/sql").then((m) => m.Sql)) },
  { id: "tables", key: "t", title: "Tables", show: lazy(() => import("./views/tables").then((m) => m.Tables)) },
  { id: "topics", key: "c", title: "Topics & schemas", show: lazy(() => import("./views/topics").then((m) => m.Topics)) },
] as const;

function setTheme(dark: boolean) {
  const theme = dark ? "dark" : "light";
  document.documentElement.dataset.theme = theme;
  try {
    localStorage.setItem("sluice.theme", theme);
  } catch {
    // It holds until the page is closed.
  }
}

function isDark(): boolean {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

/** Keys that work where nobody types. */
function useKeys() {
  useEffect(() => {
    let before = "";
    const press = (event: KeyboardEvent) => {
      const inside = event.composedPath()[0] as HTMLElement;
      const types = inside.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(inside.tagName ?? "");
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
        event.preventDefault();
        return openPalette();
      }
      if (types || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
      if (before === "g") {
        before = "";
        const view = VIEWS.find((view) => view.key === event.key);
        if (view) {
          event.preventDefault();
          go(view.id);
        }
        return;
      }
      before = event.key === "g" ? "g" : "";
      if (event.key === "/") {
        event.preventDefault();
        openPalette();
      } else if (event.key === "?") {
        openKeys();
      } else if (event.key === "p") {
        paused.value = !paused.value;
      }
    };
    window.addEventListener("keydown", press);
    return () => window.removeEventListener("keydown", press);
  }, []);
}

export function App() {
  useKeys();
  const [dark, setDark] = useState(isDark());
  useEffect(() => refresh(), []);
  const view = useComputed(() => VIEWS.find((view) => view.id === route.value[0]) ?? VIEWS[0]);
  const Show = view.value.show;
  useEffect(() => {
    // Where the bar of views is too narrow for all of them.
    document.querySelector(".side [aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
    document.title = `${view.value.title} · ${overview.value?.project ?? "Sluice"}`;
  }, [view.value, overview.value?.project]);
  const now = overview.value;
  const errors = now?.open_errors ?? 0;

  return (
    <div class="frame">
      <a class="skip" href="#main" onClick={(e) => (e.preventDefault(), document.getElementById("main")?.focus())}>
        Skip to the content
      </a>
      <nav class="side" aria-label="Views">
        <a class="brand" href={link("overview")} title="Sluice">
          <Logo />
          <div>
            <b>Sluice</b>
            <span>{now?.project ?? " "}</span>
          </div>
        </a>
        {VIEWS.map((one) => (
          <a class="nav" href={link(one.id)} aria-current={one === view.value ? "page" : undefined}>
            <Icon name={one.id} />
            {one.title}
            {one.id === "errors" && errors > 0 && <span class="pill bad">{compact(errors)}</span>}
          </a>
        ))}
        <div class="foot">
          <button class="nav" onClick={openPalette}>
            <Icon name="search" /> Go to <span class="grow" />
            <kbd>/</kbd>
          </button>
          <button class="nav" onClick={toggleUtc} title="Times in UTC, or where you are">
            <Icon name="clock" /> {utc.value ? "UTC" : "Local time"}
          </button>
          <button class="nav" onClick={() => (setTheme(!dark), setDark(!dark))}>
            <Icon name={dark ? "sun" : "moon"} /> {dark ? "Light" : "Dark"}
          </button>
          <button class="nav" onClick={openKeys}>
            <Icon name="keyboard" /> Keys <span class="grow" />
            <kbd>?</kbd>
          </button>
          {hasToken() && (
            <button class="nav" onClick={() => (setToken(""), (overview.value = null), refresh())}>
              <Icon name="key" /> Forget the token
            </button>
          )}
        </div>
      </nav>
      <main class="main" id="main" tabIndex={-1}>
        {unreachable.value && !tokenWanted.value && (
          <div class="banner" role="alert">
            <Icon name="errors" />
            {unreachable.value.code === "unreachable"
              ? "The server does not answer. What is shown is from before; this page goes on when it is back."
              : `${unreachable.value.code} ${unreachable.value.detail}`}
          </div>
        )}
        {now && !now.taking && (
          <div class="banner" role="alert">
            <Icon name="errors" /> No events are taken: {now.why_not}
          </div>
        )}
        {now?.topics
          .filter((topic) => topic.stopped)
          .map((topic) => (
            <div class="banner" role="alert">
              <Icon name="errors" />
              <span>
                Landing into <a href={link("tables", topic.table)}>{topic.table}</a> has stopped: {topic.stopped}
              </span>
            </div>
          ))}
        {!tokenWanted.value && <Show />}
      </main>
      <Palette />
      <KeysDialog />
      <TokenDialog />
      <Toast />
    </div>
  );
}
