/** Small parts that every view is made of. */
import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";

import type { Problem } from "../api";

const PATHS: Record<string, string> = {
  overview: "M3 13h4l3-8 4 14 3-6h4",
  live: "M4 6h16M4 12h10M4 18h13",
  errors: "M12 4 2.8 19.5h18.4zM12 10v4M12 17v.01",
  sql: "m5 8 4 4-4 4M12 17h7",
  tables: "M4 5h16v14H4zM4 10h16M10 10v9",
  topics: "M7 4H4v16h3M17 4h3v16h-3M9 9h6M9 12h6M9 15h4",
  search: "M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13zM20 20l-4.7-4.7",
  sun: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2v2M12 20v2M4 12H2M22 12h-2M5 5l1.4 1.4M17.6 17.6 19 19M19 5l-1.4 1.4M6.4 17.6 5 19",
  moon: "M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5z",
  clock: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM12 7v5l3 2",
  keyboard: "M3 6h18v12H3zM7 10h.01M11 10h.01M15 10h.01M8 14h8",
  play: "M7 5v14l11-7z",
  pause: "M8 5v14M16 5v14",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  check: "m5 12 5 5 9-10",
  close: "M6 6l12 12M18 6 6 18",
  download: "M12 4v11m0 0 4-4m-4 4-4-4M5 20h14",
  retry: "M4 12a8 8 0 1 1 2.3 5.6M4 12V7M4 12h5",
  key: "M15 9a4 4 0 1 0-4 4h.5L20 4.5M17 7.5 19 9.5",
  lock: "M6 11h12v9H6zM8.5 11V8a3.5 3.5 0 0 1 7 0v3",
  stop: "M6 6h12v12H6z",
  box: "M4 8l8-4 8 4v8l-8 4-8-4zM4 8l8 4 8-4M12 12v8",
};

export function Icon({ name }: { name: string }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}

export function Logo() {
  return (
    <svg viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="8" fill="var(--accent)" />
      <g fill="none" stroke="var(--on-accent)" stroke-width="2.6" stroke-linecap="round">
        <path d="M7 12c3-3 6-3 9 0s6 3 9 0" />
        <path d="M7 18c3-3 6-3 9 0s6 3 9 0" opacity=".75" />
        <path d="M7 24c3-3 6-3 9 0s6 3 9 0" opacity=".45" />
      </g>
    </svg>
  );
}

const toastText = signal("");
let toastTimer = 0;

/** Says something for a moment. */
export function toast(text: string) {
  toastText.value = text;
  window.clearTimeout(toastTimer);
  toastTimer = window.setTimeout(() => (toastText.value = ""), 4000);
}

export function Toast() {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toastText.value && <div class="toast">{toastText.value}</div>}
    </div>
  );
}

export async function copy(text: string) {
  try {
    await navigator.clipboard.writeText(text);
    toast("Copied");
  } catch {
    toast("This browser does not let the page copy");
  }
}

/** A command to type, which can be copied. */
export function Command({ text }: { text: string }) {
  return (
    <span class="command" title={text}>
      <code>{text}</code>
      <button class="quiet tiny" aria-label={`Copy ${text}`} onClick={() => void copy(text)}>
        <Icon name="copy" />
      </button>
    </span>
  );
}

/** Several, to type one after the other. */
export function Commands({ of }: { of: string[] }) {
  return (
    <ol class="commands">
      {of.map((text) => (
        <li>
          <Command text={text} />
        </li>
      ))}
    </ol>
  );
}

export function Empty({ icon, title, children }: { icon: string; title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <Icon name={icon} />
      <b>{title}</b>
      {children}
    </div>
  );
}

export function ProblemNote({ problem }: { problem: Problem }) {
  const notes = problem.diagnostics?.flatMap((d) => d.notes ?? []) ?? [];
  const first = problem.diagnostics?.[0];
  return (
    <div class="problem" role="alert">
      <b>{problem.code || "Failed"}</b> {problem.detail}
      {first?.suggestion && !problem.detail.includes(first.suggestion) && <div>{first.suggestion}</div>}
      {notes.length > 0 && (
        <ul>
          {notes.map((note) => (
            <li>{note}</li>
          ))}
        </ul>
      )}
    </div>
  );
}

export function Card(props: {
  title?: ComponentChildren;
  actions?: ComponentChildren;
  class?: string;
  flush?: boolean;
  children: ComponentChildren;
}) {
  return (
    <section class={`card ${props.class ?? ""}`}>
      {props.title && (
        <header>
          <h2>{props.title}</h2>
          {props.actions && <div class="actions">{props.actions}</div>}
        </header>
      )}
      {props.flush ? props.children : <div class="body">{props.children}</div>}
    </section>
  );
}

export function Tabs<T extends string>(props: {
  of: readonly (readonly [T, ComponentChildren])[];
  now: T;
  pick: (tab: T) => void;
  label: string;
}) {
  return (
    <div class="tabs" role="tablist" aria-label={props.label}>
      {props.of.map(([id, text]) => (
        <button role="tab" aria-selected={props.now === id} onClick={() => props.pick(id)}>
          {text}
        </button>
      ))}
    </div>
  );
}
