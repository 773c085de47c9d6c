/** What search engines read first: which pages there are, in every language, and which are nobody else's. */
import type { MatchView } from '../http/read-model.js';

export interface Site {
  /** Where people find the web app, without a slash at the end. */
  readonly origin: string;
  /** The first one has no prefix. */
  readonly languages: readonly string[];
}

/** Pages that say something to everybody, besides those of the matches. */
const PAGES = ['/', '/help'];
/** Pages of one person. */
const PRIVATE = [
  '/reservations',
  '/tickets',
  '/account',
  '/confirm-email',
  '/reset-password',
  '/operator',
  '/check-in',
];

const inLanguage = ({ languages }: Site, language: string, path: string): string =>
  language === languages[0] ? path : `/${language}${path === '/' ? '' : path}`;

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
};
const escaped = (text: string): string => text.replace(/[&<>"']/g, (character) => ESCAPES[character] ?? '');

/** https://www.sitemaps.org/protocol.html, each page with its other languages. */
export function sitemap(site: Site, matches: readonly Pick<MatchView, 'matchNumber'>[]): string {
  const paths = [...PAGES, ...matches.map(({ matchNumber }) => `/matches/${matchNumber}`)];
  const urls = paths.flatMap((path) => {
    const versions = site.languages.map((language) => ({
      language,
      href: escaped(site.origin + inLanguage(site, language, path)),
    }));
    const [first] = versions;
    const links = [...versions, ...(first ? [{ ...first, language: 'x-default' }] : [])].map(
      ({ language, href }) => `<xhtml:link rel="alternate" hreflang="${escaped(language)}" href="${href}"/>`,
    );
    return versions.map(({ href }) => `<url><loc>${href}</loc>${links.join('')}</url>`);
  });
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:xhtml="http://www.w3.org/1999/xhtml">',
    ...urls,
    '</urlset>',
    '',
  ].join('\n');
}

/** RFC 9309. */
export function robots(site: Site): string {
  const disallowed = [
    '/api/',
    ...site.languages.flatMap((language) => PRIVATE.map((path) => inLanguage(site, language, path))),
  ];
  return [
    'User-agent: *',
    ...disallowed.map((path) => `Disallow: ${path}`),
    '',
    `Sitemap: ${site.origin}/sitemap.xml`,
    '',
  ].join('\n');
}
