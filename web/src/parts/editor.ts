/** The SQL editor (CodeMirror), loaded when it is first needed. */
import { autocompletion, closeBrackets, closeBracketsKeymap, closeCompletion, completionKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { PostgreSQL, sql } from "@codemirror/lang-sql";
import { HighlightStyle, bracketMatching, syntaxHighlighting } from "@codemirror/language";
import { lintKeymap, setDiagnostics, type Diagnostic as Mark } from "@codemirror/lint";
import { Compartment, EditorState, Prec } from "@codemirror/state";
import {
  EditorView, drawSelection, highlightActiveLine, keymap, lineNumbers, placeholder,
} from "@codemirror/view";
import { tags } from "@lezer/highlight";

import type { Diagnostic } from "../api";

/** Columns by table by schema. */
export type Catalog = Record<string, Record<string, string[]>>;

export interface Editor {
  text(): string;
  setText(text: string): void;
  /** What is selected, or everything. */
  toRun(): string;
  insert(text: string): void;
  setCatalog(catalog: Catalog): void;
  /** Marks what the server says is wrong in the text that was run; none: no marks. */
  mark(diagnostics: Diagnostic[], ran: string): void;
  focus(): void;
  destroy(): void;
}

const theme = EditorView.theme({
  "&": { height: "100%", color: "var(--text)", backgroundColor: "var(--surface)", fontSize: "13px" },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.65" },
  ".cm-content": { caretColor: "var(--accent)", padding: "10px 0" },
  ".cm-cursor": { borderLeftColor: "var(--accent)", borderLeftWidth: "2px" },
  ".cm-gutters": { backgroundColor: "var(--surface)", color: "var(--muted)", border: "none", paddingLeft: "6px" },
  ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: "color-mix(in srgb, var(--accent) 6%, transparent)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": {
    backgroundColor: "color-mix(in srgb, var(--accent) 25%, transparent)",
  },
  ".cm-placeholder": { color: "var(--muted)" },
  ".cm-tooltip": {
    backgroundColor: "var(--raised)", color: "var(--text)", border: "1px solid var(--line-strong)", borderRadius: "8px",
    overflow: "hidden", boxShadow: "var(--shadow-high)", fontFamily: "var(--sans)", fontSize: "13px",
  },
  ".cm-tooltip-autocomplete > ul": { fontFamily: "var(--mono)", fontSize: "12.5px" },
  ".cm-tooltip-autocomplete > ul > li": { padding: "3px 8px" },
  ".cm-tooltip-autocomplete > ul > li[aria-selected]": { backgroundColor: "var(--accent)", color: "var(--on-accent)" },
  ".cm-diagnostic": { padding: "8px 12px", maxWidth: "420px" },
  ".cm-diagnostic-error": { borderLeft: "3px solid var(--bad)" },
  ".cm-diagnosticAction": { backgroundColor: "var(--accent)", color: "var(--on-accent)", borderRadius: "6px", padding: "2px 10px" },
});

const colors = HighlightStyle.define([
  { tag: tags.keyword, color: "var(--blue)", fontWeight: "600" },
  { tag: [tags.string, tags.special(tags.string)], color: "var(--good)" },
  { tag: [tags.number, tags.bool, tags.null], color: "var(--warn)" },
  { tag: tags.comment, color: "var(--muted)", fontStyle: "italic" },
  { tag: [tags.typeName, tags.standard(tags.name)], color: "var(--accent)" },
]);

/** Places of the server are bytes from 1 in a line; the editor counts UTF-16 units from 0 in the text. */
export function offsetOf(text: string, line: number, column: number): number {
  const lines = text.split("\n");
  const before = lines.slice(0, line - 1).reduce((n, l) => n + l.length + 1, 0);
  const bytes = new TextEncoder().encode(lines[line - 1] ?? "").slice(0, Math.max(0, column - 1));
  return Math.min(text.length, before + new TextDecoder().decode(bytes).length);
}

function toMark(diagnostic: Diagnostic, text: string, shift: number, length: number): Mark {
  const from = diagnostic.line ? offsetOf(text, diagnostic.line, diagnostic.column ?? 1) : 0;
  const name = /^[\w."]+/.exec(text.slice(from))?.[0].length ?? 1;
  const to = diagnostic.line ? Math.min(text.length, from + (diagnostic.length || name)) : text.length;
  const instead = /did you mean "([^"]+)"/.exec(diagnostic.suggestion ?? "")?.[1];
  return {
    from: Math.min(length, from + shift),
    to: Math.min(length, Math.max(from + 1, to) + shift),
    severity: "error",
    message: [`${diagnostic.code ?? ""} ${diagnostic.message}`.trim(), diagnostic.suggestion].filter(Boolean).join("\n"),
    actions: instead
      ? [{ name: `Write ${instead}`, apply: (view, a, b) => view.dispatch({ changes: { from: a, to: b, insert: instead } }) }]
      : [],
  };
}

export function mountEditor(host: HTMLElement, options: { text: string; run: () => void; change: (text: string) => void }): Editor {
  // The editor's styles are sheets of its own tree: the policy of the page takes no style elements.
  const root = host.shadowRoot ?? host.attachShadow({ mode: "open" });
  root.replaceChildren();
  const inside = document.createElement("div");
  inside.style.height = "100%";
  root.append(inside);
  const language = new Compartment();
  const speak = (catalog: Catalog) => sql({ dialect: PostgreSQL, schema: catalog, upperCaseKeywords: false });
  const view = new EditorView({
    root,
    parent: inside,
    state: EditorState.create({
      doc: options.text,
      extensions: [
        Prec.highest(keymap.of([{ key: "Mod-Enter", run: (view) => (closeCompletion(view), options.run(), true) }])),
        lineNumbers(), history(), drawSelection(), bracketMatching(), closeBrackets(), highlightActiveLine(),
        autocompletion({ icons: false }),
        keymap.of([...closeBracketsKeymap, ...completionKeymap, ...lintKeymap, ...historyKeymap, ...defaultKeymap, indentWithTab]),
        language.of(speak({})),
        syntaxHighlighting(colors), theme,
        placeholder("select … from bronze.…"),
        EditorView.contentAttributes.of({ tabindex: "0", "aria-label": "SQL", "aria-describedby": "editor-keys" }),
        EditorView.updateListener.of((update) => update.docChanged && options.change(update.state.doc.toString())),
      ],
    }),
  });
  const text = () => view.state.doc.toString();
  const selection = () => view.state.sliceDoc(view.state.selection.main.from, view.state.selection.main.to);
  return {
    text,
    setText: (now) => view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: now } }),
    toRun: () => (selection().trim() ? selection() : text()),
    insert: (what) => {
      view.dispatch(view.state.replaceSelection(what));
      view.focus();
    },
    setCatalog: (catalog) => view.dispatch({ effects: language.reconfigure(speak(catalog)) }),
    mark: (diagnostics, ran) => {
      const shift = Math.max(0, text().indexOf(ran));
      view.dispatch(setDiagnostics(view.state, diagnostics.map((d) => toMark(d, ran, shift, view.state.doc.length))));
    },
    focus: () => view.focus(),
    destroy: () => view.destroy(),
  };
}
