/**
 * The OpenAPI document as a page for people: rendered here, without scripts and without anything from
 * elsewhere. Everything that comes from the document is escaped.
 */
import { createHash } from 'node:crypto';
import type { OpenApiDocument } from './api.js';

const STYLE = `
:root{color-scheme:light dark;--bg:#fbfbf9;--fg:#1d2320;--soft:#5d6a64;--card:#fff;--line:#dfe3de;--code:#f0f2ee;
--get:#1769aa;--post:#1d7a3a;--delete:#b3261e;--put:#8a5a00}
@media (prefers-color-scheme:dark){:root{--bg:#131715;--fg:#e6ebe7;--soft:#9aa8a1;--card:#1b211e;--line:#2f3833;
--code:#232b27;--get:#6cb6f2;--post:#6fd08c;--delete:#f28b82;--put:#e3b35f}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--fg);font:16px/1.55 system-ui,sans-serif}
main{max-width:62rem;margin:0 auto;padding:2rem 1rem 5rem}
h1{margin:0 0 .25rem;font-size:1.9rem}h2{margin:2.5rem 0 .75rem;text-transform:capitalize}
h3{margin:1.1rem 0 .35rem;font-size:.95rem}p{margin:.4rem 0}
a{color:var(--get)}.soft{color:var(--soft)}
details{background:var(--card);border:1px solid var(--line);border-radius:.6rem;margin:.6rem 0}
summary{cursor:pointer;padding:.7rem .9rem;display:flex;flex-wrap:wrap;gap:.3rem .8rem;align-items:baseline}
summary:focus-visible{outline:3px solid var(--get);outline-offset:2px;border-radius:.6rem}
details>div{padding:0 .9rem .9rem;border-top:1px solid var(--line)}
b.method{font:700 .8rem ui-monospace,monospace;min-width:3.6rem}
b.get{color:var(--get)}b.post{color:var(--post)}b.delete{color:var(--delete)}b.put,b.patch{color:var(--put)}
code,pre{font-family:ui-monospace,monospace;font-size:.87rem}code{overflow-wrap:anywhere}
pre{background:var(--code);border-radius:.4rem;padding:.7rem;overflow-x:auto;margin:.3rem 0}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%}
th,td{text-align:left;vertical-align:top;padding:.35rem .8rem .35rem 0;border-bottom:1px solid var(--line)}
th{color:var(--soft);font-weight:600;font-size:.85rem}`;

/** For pages that carry their style inline: exactly that style and nothing else may apply. */
export function pageCsp(style: string): string {
  const hash = createHash('sha256').update(style).digest('base64');
  return `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;
}

export function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}

type Json = unknown;
type Members = Readonly<Record<string, Json>>;
const isMembers = (value: Json): value is Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const members = (value: Json): Members => (isMembers(value) ? value : {});
const list = (value: Json): readonly Json[] => (Array.isArray(value) ? (value as readonly Json[]) : []);
const text = (value: Json): string =>
  typeof value === 'string' || typeof value === 'number' ? String(value) : '';
/** Escaped, with `code` spans as the descriptions write them. */
const prose = (value: Json): string => escapeHtml(text(value)).replace(/`([^`]+)`/g, '<code>$1</code>');

export interface Page {
  readonly html: string;
  readonly csp: string;
}

export function docsPage(document: OpenApiDocument): Page {
  const { info } = document;
  const groups = new Map<string, string[]>();
  for (const [path, operations] of Object.entries(document.paths ?? {})) {
    for (const [method, operation] of Object.entries(members(operations))) {
      const tag = text(list(members(operation)['tags'])[0]) || 'other';
      groups.set(tag, [...(groups.get(tag) ?? []), operationHtml(method, path, members(operation))]);
    }
  }
  const body = [...groups].map(([tag, items]) => `<h2>${escapeHtml(tag)}</h2>${items.join('')}`).join('');
  const html = `<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1"><title>${escapeHtml(info.title)}</title>
<style>${STYLE}</style></head><body><main><h1>${escapeHtml(info.title)}</h1>
<p class="soft">Version ${escapeHtml(info.version)} · <a href="openapi.json">OpenAPI document</a></p>
<p>${prose(info.description)}</p>${body}<h2>Schemas</h2>${schemasHtml(document)}</main></body></html>`;
  return { html, csp: pageCsp(STYLE) };
}

function operationHtml(method: string, path: string, operation: Members): string {
  const body = members(members(operation['requestBody'])['content'])['application/json'];
  return `<details><summary><b class="method ${escapeHtml(method)}">${escapeHtml(method.toUpperCase())}</b>
<code>${escapeHtml(path)}</code><span class="soft">${prose(operation['summary'])}</span></summary><div>
<p>${prose(operation['description'])}</p>${securityHtml(list(operation['security']))}
${parametersHtml(list(operation['parameters']))}
${body === undefined ? '' : `<h3>Body</h3>${schemaHtml(members(body)['schema'])}`}
${responsesHtml(members(operation['responses']))}</div></details>`;
}

function securityHtml(security: readonly Json[]): string {
  const names = security.flatMap((entry) => Object.keys(members(entry)));
  return names.length === 0
    ? ''
    : `<p class="soft">Needs ${names.map((name) => `<code>${escapeHtml(name)}</code>`).join(' or ')}</p>`;
}

function parametersHtml(parameters: readonly Json[]): string {
  if (parameters.length === 0) return '';
  const rows = parameters.map(members).map(
    (parameter) => `<tr><td><code>${escapeHtml(text(parameter['name']))}</code></td>
<td>${escapeHtml(text(parameter['in']))}</td><td>${parameter['required'] === true ? 'yes' : 'no'}</td>
<td>${prose(parameter['description'])} <code>${escapeHtml(oneLine(parameter['schema']))}</code></td></tr>`,
  );
  return `<h3>Parameters</h3><div class="wide"><table><tr><th>Name</th><th>In</th><th>Required</th><th>What</th></tr>
${rows.join('')}</table></div>`;
}

function oneLine(schema: Json): string {
  const { description: _description, ...facts } = members(schema);
  return JSON.stringify(facts);
}

function responsesHtml(responses: Members): string {
  const rows = Object.entries(responses).map(([status, response]) => {
    const content = Object.entries(members(members(response)['content']));
    const schemas = content.map(
      ([type, media]) =>
        `<span class="soft">${escapeHtml(type)}</span>${schemaHtml(members(media)['schema'])}`,
    );
    return `<tr><td><code>${escapeHtml(status)}</code></td><td>${prose(members(response)['description'])}
${schemas.join('')}</td></tr>`;
  });
  return `<h3>Responses</h3><div class="wide"><table>${rows.join('')}</table></div>`;
}

function schemaHtml(schema: Json): string {
  const name = text(members(schema)['$ref']).split('/').at(-1) ?? '';
  if (name !== '') return ` <a href="#schema-${escapeHtml(name)}">${escapeHtml(name)}</a>`;
  return `<pre>${escapeHtml(JSON.stringify(schema, null, 2))}</pre>`;
}

function schemasHtml(document: OpenApiDocument): string {
  return Object.entries(members(document.components?.schemas))
    .map(
      ([name, schema]) =>
        `<details id="schema-${escapeHtml(name)}" open><summary><code>${escapeHtml(name)}</code>
<span class="soft">${prose(members(schema)['description'])}</span></summary><div>${schemaHtml(schema)}</div></details>`,
    )
    .join('');
}
