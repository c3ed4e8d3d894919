/** Goes anywhere by name. */
import { signal } from "@preact/signals";
import { useMemo, useState } from "preact/hooks";

import { VIEWS } from "../app";
import { go } from "../route";
import { overview } from "../state";
import { Dialog } from "./dialogs";
import { Icon } from "./ui";

const open = signal(false);
export const openPalette = () => (open.value = true);

function Choices() {
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const all = useMemo(
    () => [
      ...VIEWS.map((view) => ({ icon: view.id as string, name: view.title as string, kind: "view", to: [view.id as string] })),
      ...(overview.value?.topics ?? []).flatMap((topic) => [
        { icon: "tables", name: topic.table, kind: "table", to: ["tables", topic.table] },
        ...(topic.table.startsWith("system.")
          ? []
          : [
              { icon: "live", name: topic.topic, kind: "live", to: ["live", topic.topic] },
              { icon: "topics", name: topic.topic, kind: "schema", to: ["topics", topic.topic] },
            ]),
      ]),
    ],
    [],
  );
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const found = all
    .filter((one) => words.every((word) => `${one.name} ${one.kind}`.toLowerCase().includes(word)))
    .slice(0, 50);
  const pick = (index: number) => {
    const one = found[index];
    if (!one) return;
    open.value = false;
    go(...one.to);
  };
  const press = (event: KeyboardEvent) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      setAt((found.length + at + (event.key === "ArrowDown" ? 1 : -1)) % Math.max(1, found.length));
    } else if (event.key === "Enter") {
      pick(at);
    }
  };
  return (
    <>
      <input
        autofocus
        role="combobox"
        aria-expanded="true"
        aria-controls="choices"
        aria-activedescendant={found.length ? `choice-${at}` : undefined}
        aria-label="Go to"
        placeholder="Go to a view, a topic, a table …"
        value={text}
        onInput={(event) => (setText(event.currentTarget.value), setAt(0))}
        onKeyDown={press}
      />
      <ul id="choices" role="listbox" aria-label="Places">
        {found.map((one, i) => (
          <li id={`choice-${i}`} role="option" aria-selected={i === at} onClick={() => pick(i)}>
            <Icon name={one.icon} /> {one.name} <span>{one.kind}</span>
          </li>
        ))}
      </ul>
      {found.length === 0 && <div class="empty">Nothing has this name: a part of one is enough, such as “live”</div>}
    </>
  );
}

export function Palette() {
  return (
    <Dialog open={open.value} close={() => (open.value = false)} label="Go to" class="palette">
      <Choices />
    </Dialog>
  );
}
