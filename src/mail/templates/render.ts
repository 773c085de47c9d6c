/**
 * From a template's text to the two parts of a mail. Guarantees: everything is escaped here and nowhere else;
 * nothing is loaded from anywhere; the HTML has a language, a direction and one heading, reads in the order of the
 * plain text, and is legible in light and dark, with styles or without.
 */
import type { Content, Language, Link } from './content.js';

export interface Rendered {
  readonly subject: string;
  readonly text: string;
  readonly html: string;
}

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};
const escaped = (text: string): string => text.replace(/[&<>"']/g, (char) => ESCAPES[char] ?? '');

export function render(content: Content, language: Language, home: string): Rendered {
  return {
    subject: content.subject,
    text: textOf(content, language, home),
    html: htmlOf(content, language, home),
  };
}

/** The same order as the HTML. Addresses stand on lines of their own, which mail programs make links of. */
function textOf(
  { heading, paragraphs, facts, action, links = [], after = [] }: Content,
  language: Language,
  home: string,
): string {
  const linkText = ({ label, url }: Link): string => `${label}:\n${url}`;
  const blocks = [
    heading,
    ...paragraphs,
    ...(facts ? [facts.map(([label, value]) => `${label}: ${value}`).join('\n')] : []),
    ...links.map(linkText),
    ...(action ? [linkText(action)] : []),
    ...after,
    `-- \n${language.footer}\n${home}`,
  ];
  return `${blocks.join('\n\n')}\n`;
}

/** Colours meet WCAG 2.2 AA against what they stand on, in both schemes. */
const STYLE = `
:root { color-scheme: light dark; supported-color-schemes: light dark; }
body { margin: 0; padding: 0; background: #f4f2f3; color: #1d1a1b; }
.card { background: #ffffff; border: 1px solid #e2dcde; border-radius: 12px; }
a { color: #7a1237; }
.button { background: #7a1237; color: #ffffff; }
.quiet { color: #5c5457; }
th, td { border-top: 1px solid #e2dcde; }
@media (prefers-color-scheme: dark) {
  body, .page { background: #141113 !important; color: #f3eef0 !important; }
  .card { background: #1f1b1d !important; border-color: #3a3336 !important; }
  a { color: #f7a8c1 !important; }
  .button { background: #b3305d !important; color: #ffffff !important; }
  .quiet { color: #b9afb3 !important; }
  th, td { border-color: #3a3336 !important; }
}
`;
const FONT = "font-family: system-ui, -apple-system, 'Segoe UI', Roboto, Arial, sans-serif";

function htmlOf(content: Content, language: Language, home: string): string {
  const { subject, heading, paragraphs, facts, action, links, after = [] } = content;
  const { locale, dir } = language;
  const side = dir === 'rtl' ? 'right' : 'left';
  const body = [
    `<h1 style="margin: 0 0 16px; font-size: 22px; line-height: 1.3">${escaped(heading)}</h1>`,
    ...paragraphs.map(paragraph),
    ...(facts ? [tableOf(facts, side)] : []),
    ...(links ? [listOf(links)] : []),
    ...(action ? [buttonOf(action, language.linkHint)] : []),
    ...after.map(paragraph),
  ];
  return `<!doctype html>
<html lang="${locale}" dir="${dir}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<title>${escaped(subject)}</title>
<style>${STYLE}</style>
</head>
<body>
<div class="page" lang="${locale}" dir="${dir}" style="padding: 24px 12px; ${FONT}; font-size: 16px; line-height: 1.5; text-align: ${side}">
<div class="card" role="article" style="max-width: 560px; margin: 0 auto; padding: 28px 24px">
${body.join('\n')}
</div>
<p class="quiet" style="max-width: 560px; margin: 16px auto 0; padding: 0 24px; font-size: 13px">${escaped(language.footer)}<br><a href="${escaped(home)}" dir="ltr">${escaped(home)}</a></p>
</div>
</body>
</html>
`;
}

const paragraph = (text: string): string => `<p style="margin: 0 0 14px">${escaped(text)}</p>`;

function tableOf(facts: NonNullable<Content['facts']>, side: string): string {
  const cell = `padding: 8px 0; text-align: ${side}; vertical-align: top; font-size: 15px`;
  const rows = facts.map(
    ([label, value]) =>
      `<tr><th scope="row" class="quiet" style="${cell}; width: 38%; font-weight: 400">${escaped(label)}</th>` +
      `<td style="${cell}; font-weight: 600; overflow-wrap: anywhere">${escaped(value)}</td></tr>`,
  );
  return `<table style="width: 100%; border-collapse: collapse; margin: 4px 0 20px">${rows.join('')}</table>`;
}

function listOf(links: readonly Link[]): string {
  const items = links.map(
    ({ label, url }) => `<li style="margin: 0 0 12px">${escaped(label)}<br>${addressOf(url)}</li>`,
  );
  return `<ul style="margin: 0 0 20px; padding: 0 20px">${items.join('')}</ul>`;
}

/** Never alone: what a button leads to is readable, and can be copied. */
function buttonOf({ label, url }: Link, hint: string): string {
  const style =
    'display: inline-block; padding: 12px 22px; border-radius: 10px; font-weight: 600; text-decoration: none';
  return (
    `<p style="margin: 0 0 12px"><a class="button" href="${escaped(url)}" style="${style}">${escaped(label)}</a></p>` +
    `<p class="quiet" style="margin: 0 0 18px; font-size: 13px">${escaped(hint)}<br>${addressOf(url)}</p>`
  );
}

const addressOf = (url: string): string =>
  `<a href="${escaped(url)}" dir="ltr" style="overflow-wrap: anywhere">${escaped(url)}</a>`;
