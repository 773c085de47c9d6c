/** What buyers read, written in both languages and shown as they will see it. */
import { Suspense, use, useId, type ReactNode } from 'react';
import type { MatchView } from '../../api/types';
import { LANGUAGE_CODES, LANGUAGES, type LanguageCode } from '../../i18n/languages';
import { loadLanguage, LocaleProvider, useLocale, type LoadedLanguage } from '../../i18n/locale';
import { useOperatorText } from '../../i18n/operator';
import { MatchNoticeBox } from '../../ui/match-notice';
import { MESSAGE_CHARS_MAX, type Words } from './data';

export const NO_WORDS: Words = { en: '', ar: '' };

export interface BuyersFieldsProps {
  readonly words: Words;
  readonly onChange: (words: Words) => void;
  /** The English text is missing. */
  readonly isWrong: boolean;
  /** Nothing need be said. */
  readonly isOptional?: boolean;
}

export function BuyersFields(props: BuyersFieldsProps): ReactNode {
  const { words, onChange, isWrong, isOptional = false } = props;
  const t = useOperatorText('matches');
  const hint = useId();
  return (
    <fieldset className="buyers-fields" aria-describedby={hint}>
      <legend className="field-label">{t('message')}</legend>
      <p className="field-hint" id={hint}>
        {isOptional ? t('messageOptional') : t('messageHint')}
      </p>
      <Words
        name="en"
        label={isOptional ? t('englishOptional') : t('english')}
        value={words.en}
        isRequired={!isOptional}
        error={isWrong ? t('englishMissing') : undefined}
        onChange={(en) => onChange({ ...words, en })}
      />
      <Words name="ar" label={t('arabic')} value={words.ar} onChange={(ar) => onChange({ ...words, ar })} />
    </fieldset>
  );
}

function Words(props: {
  readonly name: LanguageCode;
  readonly label: string;
  readonly value: string;
  readonly isRequired?: boolean;
  readonly error?: string | undefined;
  readonly onChange: (text: string) => void;
}): ReactNode {
  const { name, label, value, isRequired = false, error, onChange } = props;
  const t = useOperatorText('confirm');
  const id = useId();
  const left = MESSAGE_CHARS_MAX - value.length;
  return (
    <div className="field">
      <label className="field-label" htmlFor={id}>
        {label}
      </label>
      <textarea
        id={id}
        name={name}
        className="field-input"
        lang={name}
        dir={LANGUAGES[name].dir}
        rows={2}
        maxLength={MESSAGE_CHARS_MAX}
        required={isRequired}
        value={value}
        aria-invalid={error !== undefined || undefined}
        aria-describedby={`${id}-error ${id}-left`}
        onChange={(event) => onChange(event.target.value)}
      />
      {error !== undefined && (
        <p className="field-error" id={`${id}-error`}>
          {error}
        </p>
      )}
      <p className="field-hint" id={`${id}-left`}>
        {t('noteLeft', { count: left })}
      </p>
    </div>
  );
}

/** The page of the match, as far as this is about, in each language of the shop. */
export function BuyersPreview({ match }: { readonly match: MatchView }): ReactNode {
  const t = useOperatorText('matches');
  return (
    <section className="buyers-preview" aria-label={t('preview')}>
      <p className="field-label">{t('preview')}</p>
      {LANGUAGE_CODES.map((code) => (
        <Suspense key={code} fallback={null}>
          <PreviewIn code={code} match={match} />
        </Suspense>
      ))}
    </section>
  );
}

const loads = new Map<LanguageCode, Promise<LoadedLanguage>>();

function load(code: LanguageCode): Promise<LoadedLanguage> {
  const known = loads.get(code);
  if (known) return known;
  const loading = loadLanguage(code);
  loads.set(code, loading);
  loading.catch(() => loads.delete(code));
  return loading;
}

function PreviewIn({ code, match }: { readonly code: LanguageCode; readonly match: MatchView }): ReactNode {
  const own = useLocale();
  const notice = <MatchNoticeBox match={match} />;
  return (
    <div lang={code} dir={LANGUAGES[code].dir}>
      {own.code === code ? notice : <Translated code={code}>{notice}</Translated>}
    </div>
  );
}

/** The texts of the other language are loaded when somebody writes in it. */
function Translated(props: { readonly code: LanguageCode; readonly children: ReactNode }): ReactNode {
  return <LocaleProvider language={use(load(props.code))}>{props.children}</LocaleProvider>;
}
