/** Why somebody does something, in their own words; the audit keeps it. */
import { useId, type ReactNode } from 'react';
import { useOperatorText } from '../../i18n/operator';

export const NOTE_CHARS_MAX = 500;
/** What is left is told from here on. */
const TOLD_CHARS = 100;

export interface NoteFieldProps {
  readonly value: string;
  readonly onChange: (value: string) => void;
  readonly isWrong?: boolean;
  readonly label?: string;
  readonly hint?: string;
  /** Of the input, for the focus. */
  readonly name?: string;
  readonly charsMax?: number;
  readonly rows?: number;
  readonly dir?: 'auto' | 'rtl' | 'ltr';
  readonly lang?: string;
  readonly isOptional?: boolean;
}

export function NoteField(props: NoteFieldProps): ReactNode {
  const { value, onChange, isWrong = false, charsMax = NOTE_CHARS_MAX, name = 'note', rows = 3 } = props;
  const { dir = 'auto', lang, isOptional = false } = props;
  const t = useOperatorText('confirm');
  const id = useId();
  const left = charsMax - value.length;
  return (
    <div className="field">
      <label className="field-label" htmlFor={id}>
        {props.label ?? t('note')}
      </label>
      <textarea
        id={id}
        name={name}
        className="field-input"
        dir={dir}
        lang={lang}
        rows={rows}
        maxLength={charsMax}
        required={!isOptional}
        value={value}
        aria-invalid={isWrong || undefined}
        aria-describedby={isWrong ? `${id}-error ${id}-hint` : `${id}-hint`}
        onChange={(event) => onChange(event.target.value)}
      />
      {isWrong && (
        <p className="field-error" id={`${id}-error`}>
          {t('noteMissing')}
        </p>
      )}
      <p className="field-hint" id={`${id}-hint`}>
        {props.hint ?? t('noteHint')}
        {left <= TOLD_CHARS && ` ${t('noteLeft', { count: left })}`}
      </p>
    </div>
  );
}
