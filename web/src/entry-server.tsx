/**
 * Renders a page on the server.
 *
 * Guarantees: the document is whole and readable without JavaScript; it has no inline script that runs, so the
 * Content-Security-Policy needs no exception; nothing of a person is in it, so it may be shared by caches.
 */
import manifest from 'virtual:client-manifest';
import { renderToString } from 'react-dom/server';
import { StaticRouter } from 'react-router';
import type { MatchView } from './api/types';
import { App, newQueryClient } from './app/app';
import { assetsOf, type Assets } from './app/assets';
import { embeddedJson, INITIAL_ID, type Initial } from './app/initial';
import { routeOf } from './app/routes';
import { LANGUAGES, languageOf, prefixOf, type LanguageCode } from './i18n/languages';
import { loadLanguage } from './i18n/locale';
import { APP_CLASS } from './ui/layout';

export interface RenderInput {
  /** Path and query. */
  readonly url: string;
  /** Of the public address, without a slash at its end. */
  readonly origin: string;
  readonly nonce?: string;
  /** Null when the shop does not answer. */
  readonly matches: MatchView[] | null;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** What the reader chose (cookie `theme`); the system's otherwise. */
  readonly theme?: 'light' | 'dark';
}

export interface Rendered {
  readonly status: number;
  /** From the doctype on. */
  readonly html: string;
  readonly headers?: Record<string, string>;
}

const RETRY_AFTER_SECONDS = '5';

export async function render({ url, origin, nonce, matches, now, theme }: RenderInput): Promise<Rendered> {
  const location = legible(url);
  const { pathname } = new URL(location, 'http://localhost');
  const { code, path } = languageOf(pathname);
  const route = routeOf(path);
  const [language] = await Promise.all([loadLanguage(code), route.page.preload()]);
  const answer = { status: 200 };
  const given = route.isApart ? {} : { matches };
  const rendered = renderToString(
    <App
      language={language}
      environment={{ origin, renderedAt: now, answer }}
      client={newQueryClient(given.matches)}
      router={(children) => (
        <StaticRouter basename={prefixOf(code) || '/'} location={location}>
          {children}
        </StaticRouter>
      )}
    />,
  );
  // React writes what belongs into the head before the first element of the app.
  const start = Math.max(0, rendered.indexOf(`<div class="${APP_CLASS}"`));
  const assets = assetsOf(manifest, [route.module, ...languageModules(code)]);
  const initial: Initial = { ...given, now, origin };
  const html = documentOf({
    code,
    assets,
    head: rendered.slice(0, start),
    body: rendered.slice(start),
    initial,
    ...(theme !== undefined && { theme }),
    ...(nonce !== undefined && { nonce }),
  });
  const headers: Record<string, string> = { 'Content-Language': code };
  if (answer.status === 503) headers['Retry-After'] = RETRY_AFTER_SECONDS;
  return { status: answer.status, html, headers };
}

/** Where nothing is. */
const NOWHERE = '/not-found';

/**
 * The router would warn of an address that it cannot decode, or that no path of it can be, on the process's output,
 * which anybody could write to with it. No page of ours has one.
 */
function legible(url: string): string {
  try {
    const { pathname } = new URL(url, 'http://localhost');
    const isPath = url.startsWith('/') && !url.startsWith('//');
    return isPath && !/\p{Cc}|[\u2028\u2029]/u.test(decodeURIComponent(pathname)) ? url : NOWHERE;
  } catch {
    return NOWHERE;
  }
}

const languageModules = (code: LanguageCode): string[] => [
  `src/i18n/${code}.json`,
  `src/i18n/${code}.names.json`,
];

function documentOf(parts: {
  readonly code: LanguageCode;
  readonly theme?: 'light' | 'dark';
  readonly nonce?: string;
  readonly assets: Assets;
  readonly head: string;
  readonly body: string;
  readonly initial: Initial;
}): string {
  const { code, theme, nonce, assets, head, body, initial } = parts;
  const themed = theme === undefined ? '' : ` data-theme="${theme}"`;
  const once = nonce === undefined ? '' : ` nonce="${nonce}"`;
  return [
    '<!doctype html>',
    `<html lang="${code}" dir="${LANGUAGES[code].dir}"${themed}>`,
    '<head>',
    '<meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    '<meta name="color-scheme" content="light dark">',
    '<meta name="theme-color" content="#7a1237">',
    '<link rel="icon" href="/favicon.svg" type="image/svg+xml">',
    ...assets.styles.map((href) => `<link rel="stylesheet" href="${href}">`),
    ...assets.modules.map((href) => `<link rel="modulepreload" href="${href}">`),
    head,
    `<script type="module" src="${assets.script}"${once}></script>`,
    '</head>',
    '<body>',
    `<div id="root">${body}</div>`,
    `<script type="application/json" id="${INITIAL_ID}">${embeddedJson(initial)}</script>`,
    '</body>',
    '</html>',
  ].join('\n');
}
