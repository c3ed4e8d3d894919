/** What lies above the page: keys, and the question for a token. */
import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";

import { setToken, tokenRefused, tokenWanted } from "../api";
import { refresh } from "../state";
import { Command, Icon } from "./ui";

/** A modal dialog while `open`; Escape asks to close it. */
export function Dialog(props: { open: boolean; close?: () => void; label: string; class?: string; children: ComponentChildren }) {
  const element = useRef<HTMLDialogElement>(null);
  // Before anything is drawn: what is typed next is meant for it.
  useLayoutEffect(() => {
    const dialog = element.current!;
    if (props.open && !dialog.open) dialog.showModal();
    if (!props.open && dialog.open) dialog.close();
  }, [props.open]);
  return (
    <dialog
      ref={element}
      class={props.class}
      aria-label={props.label}
      onCancel={(event) => (event.preventDefault(), props.close?.())}
      onClick={(event) => event.target === element.current && props.close?.()}
    >
      {props.open && props.children}
    </dialog>
  );
}

const keysOpen = signal(false);
export const openKeys = () => (keysOpen.value = true);

const KEYS: [string[], string][] = [
  [["/"], "Go to a view, a topic or a table"],
  [["g", "o"], "Overview"],
  [["g", "l"], "Live"],
  [["g", "e"], "Errors"],
  [["g", "s"], "SQL"],
  [["g", "t"], "Tables"],
  [["g", "c"], "Topics & schemas"],
  [["p"], "Pause, or go on"],
  [["Ctrl", "Enter"], "Run the query"],
  [["Esc"], "Close"],
];

export function KeysDialog() {
  return (
    <Dialog open={keysOpen.value} close={() => (keysOpen.value = false)} label="Keys">
      <div class="body">
        <div class="row">
          <h1 class="grow">Keys</h1>
          <button class="quiet" aria-label="Close" onClick={() => (keysOpen.value = false)}>
            <Icon name="close" />
          </button>
        </div>
        <dl class="keys">
          {KEYS.map(([keys, what]) => (
            <>
              <dt class="row">
                {keys.map((key) => (
                  <kbd>{key}</kbd>
                ))}
              </dt>
              <dd>{what}</dd>
            </>
          ))}
        </dl>
      </div>
    </Dialog>
  );
}

/** Asks for a token once the server wants one. */
export function TokenDialog() {
  const [text, setText] = useState("");
  const send = (event: Event) => {
    event.preventDefault();
    setToken(text);
    setText("");
    refresh();
  };
  return (
    <Dialog open={tokenWanted.value} label="Token">
      <form class="body" onSubmit={send}>
        <h1 class="row">
          <Icon name="lock" /> This server wants a token
        </h1>
        <p class="muted">It stays in this tab, and is forgotten with it. One that shows everything is made, in the project's folder, with:</p>
        <Command text="sluice token create --scope admin" />
        <input
          type="password"
          autocomplete="off"
          aria-label="Token"
          placeholder="Token"
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
        />
        {tokenRefused.value && (
          <div class="problem" role="alert">
            {tokenRefused.value}
          </div>
        )}
        <div class="row">
          <span class="grow" />
          <button class="primary" type="submit" disabled={!text.trim()}>
            Go on
          </button>
        </div>
      </form>
    </Dialog>
  );
}
