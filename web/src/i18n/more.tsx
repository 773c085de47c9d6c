/**
 * Texts of a part of the app that few people see: files of their own for each language, loaded with that part and not
 * with the shop. The tests compare their languages as they do the shop's.
 */
import { createContext, use, type ReactNode } from 'react';
import { createTranslator, type _Translator as Translator } from 'use-intl';
import { LANGUAGES, type LanguageCode } from './languages';
import { useLocale } from './locale';

type Texts = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

export interface MoreTexts<M extends Texts> {
  /** Begins to load them; what is loaded, or being loaded, is not asked for again. */
  readonly load: (code: LanguageCode) => Promise<M>;
  /** Suspends until they are loaded. */
  readonly Provider: (props: { readonly children: ReactNode }) => ReactNode;
  /** Texts by typed key, below their Provider: `const t = useText('sales'); t('title')`. */
  readonly useText: <const N extends keyof M & string>(namespace: N) => Translator<M[N]>;
}

export function moreTexts<M extends Texts>(
  files: Readonly<Record<LanguageCode, () => Promise<{ readonly default: M }>>>,
): MoreTexts<M> {
  const loads = new Map<LanguageCode, Promise<M>>();
  const loaded = new Map<LanguageCode, M>();
  const translators = new WeakMap<M, Map<string, unknown>>();
  const Loaded = createContext<M | null>(null);

  const load = (code: LanguageCode): Promise<M> => {
    const known = loads.get(code);
    if (known) return known;
    const loading = files[code]().then((file) => {
      loaded.set(code, file.default);
      return file.default;
    });
    loads.set(code, loading);
    // A connection that broke off is no reason to go without them for good.
    loading.catch(() => loads.delete(code));
    return loading;
  };

  function Provider({ children }: { readonly children: ReactNode }): ReactNode {
    const { code } = useLocale();
    // What is there is shown at once: waiting even for a moment would show that something is waited for.
    return <Loaded value={loaded.get(code) ?? use(load(code))}>{children}</Loaded>;
  }

  function useText<const N extends keyof M & string>(namespace: N): Translator<M[N]> {
    const { code } = useLocale();
    const texts = use(Loaded);
    if (!texts) throw new Error('a component stands outside of the Provider of its texts');
    const known = translators.get(texts) ?? new Map<string, unknown>();
    translators.set(texts, known);
    const messages: M[N] = texts[namespace];
    const { locale } = LANGUAGES[code];
    const made = known.get(namespace) ?? createTranslator({ locale, messages, timeZone: 'UTC' });
    known.set(namespace, made);
    // The key names the namespace that it was made for.
    return made as Translator<M[N]>;
  }

  return { load, Provider, useText };
}
