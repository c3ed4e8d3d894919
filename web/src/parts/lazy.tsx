/** Views that are fetched when they are first looked at. */
import type { FunctionComponent } from "preact";
import { useEffect, useState } from "preact/hooks";

import { unreachable } from "../state";
import { Empty } from "./ui";

export function lazy(load: () => Promise<FunctionComponent>): FunctionComponent {
  let loaded: FunctionComponent | undefined;
  return function Lazy() {
    const [, again] = useState(0);
    const [failed, setFailed] = useState(false);
    useEffect(() => {
      if (!loaded) load().then((view) => ((loaded = view), again(1)), () => setFailed(true));
    }, []);
    // Fetched once more when the server is back.
    const away = unreachable.value !== null;
    useEffect(() => {
      if (!loaded && failed && !away) load().then((view) => ((loaded = view), setFailed(false)), () => {});
    }, [failed, away]);
    if (loaded) {
      const View = loaded;
      return <View />;
    }
    return failed ? (
      <div class="content">
        <Empty icon="errors" title="This view could not be fetched">
          <p>The server may have been replaced by another release.</p>
          <button onClick={() => location.reload()}>Load the page again</button>
        </Empty>
      </div>
    ) : null;
  };
}
