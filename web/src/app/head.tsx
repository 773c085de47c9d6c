/** Title, description and links of a page for browsers, search engines and messengers. React puts them into the head. */
import type { ReactNode } from 'react';
import { useLocation } from 'react-router';
import { LANGUAGES, LANGUAGE_CODES, localized } from '../i18n/languages';
import { useLocale, useText } from '../i18n/locale';
import { useEnvironment } from './environment';

/** Of og.png, pixels. It has no words but the brand, so that it is the same in every language. */
const PICTURE = { width: 1_200, height: 630 };

export interface HeadProps {
  readonly title: string;
  readonly description?: string;
  /** Of what belongs to one person, and of what is not there. */
  readonly noIndex?: boolean;
}

export function Head({ title, description, noIndex = false }: HeadProps): ReactNode {
  const { code } = useLocale();
  const { origin } = useEnvironment();
  const { pathname } = useLocation();
  const brand = useText('common')('brand');
  const full = `${title} · ${brand}`;
  const canonical = origin + localized(code, pathname);
  if (noIndex) {
    return (
      <>
        <title>{full}</title>
        <meta name="robots" content="noindex" />
      </>
    );
  }
  return (
    <>
      <title>{full}</title>
      {description !== undefined && <meta name="description" content={description} />}
      <link rel="canonical" href={canonical} />
      {LANGUAGE_CODES.map((other) => (
        <link key={other} rel="alternate" hrefLang={other} href={origin + localized(other, pathname)} />
      ))}
      <link rel="alternate" hrefLang="x-default" href={origin + pathname} />
      <meta property="og:type" content="website" />
      <meta property="og:site_name" content={brand} />
      <meta property="og:title" content={title} />
      {description !== undefined && <meta property="og:description" content={description} />}
      <meta property="og:url" content={canonical} />
      <meta property="og:locale" content={LANGUAGES[code].locale.slice(0, 2)} />
      <meta property="og:image" content={`${origin}/og.png`} />
      <meta property="og:image:width" content={String(PICTURE.width)} />
      <meta property="og:image:height" content={String(PICTURE.height)} />
      <meta property="og:image:alt" content={brand} />
      <meta name="twitter:card" content="summary_large_image" />
    </>
  );
}
