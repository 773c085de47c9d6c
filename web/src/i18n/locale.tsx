/** The language of the page, for every component. */
import { createContext, use, useMemo, type ReactNode } from 'react';
import { IntlProvider, useTranslations } from 'use-intl';
import { TO_BE_ANNOUNCED } from '../data/teams';
import { formattersOf, type Formatters } from './format';
import { LANGUAGES, type LanguageCode, type Messages } from './languages';

declare module 'use-intl' {
  interface AppConfig {
    Messages: Messages;
  }
}

/** What a page in a language needs, loaded. */
export interface LoadedLanguage {
  readonly code: LanguageCode;
  readonly messages: Messages;
  readonly names: Readonly<Record<string, string>>;
}

export async function loadLanguage(code: LanguageCode): Promise<LoadedLanguage> {
  const language = LANGUAGES[code];
  const [messages, names] = await Promise.all([language.load(), language.loadNames()]);
  return { code, messages: messages.default, names: names.default };
}

interface Locale {
  readonly code: LanguageCode;
  readonly dir: 'ltr' | 'rtl';
  readonly format: Formatters;
  /** A team, stadium or city of the master list in this language. */
  readonly nameOf: (name: string) => string;
}

const LocaleContext = createContext<Locale | null>(null);

export function LocaleProvider(props: {
  readonly language: LoadedLanguage;
  readonly children: ReactNode;
}): ReactNode {
  const { language, children } = props;
  const { messages } = language;
  const { locale } = LANGUAGES[language.code];
  const value = useMemo(() => localeOf(language), [language]);
  return (
    <IntlProvider locale={locale} messages={messages} timeZone="UTC">
      <LocaleContext value={value}>{children}</LocaleContext>
    </IntlProvider>
  );
}

function localeOf({ code, messages, names }: LoadedLanguage): Locale {
  const { dir, locale } = LANGUAGES[code];
  return {
    code,
    dir,
    format: formattersOf(locale),
    nameOf: (name) => {
      if (name === TO_BE_ANNOUNCED) return messages.common.tba;
      return Object.hasOwn(names, name) ? (names[name] ?? name) : name;
    },
  };
}

export function useLocale(): Locale {
  const locale = use(LocaleContext);
  if (!locale) throw new Error('a component stands outside of its LocaleProvider');
  return locale;
}

/** Texts by typed key: `const t = useText('matches'); t('title')`. */
export const useText = useTranslations;
