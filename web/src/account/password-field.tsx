/** A password: can be shown, pasted and filled in by a password manager. */
import { useState, type ReactNode } from 'react';
import { useText } from '../i18n/locale';
import { Field } from '../ui/field';
import { PASSWORD_CHARS_MAX, strengthOf } from './validation';

export interface PasswordFieldProps {
  readonly name: string;
  readonly label: string;
  readonly value: string;
  readonly onChange: (value: string) => void;
  readonly isNew?: boolean;
  readonly error?: string | undefined;
  /** Of a new one: what must not be in it. */
  readonly own?: readonly string[];
}

export function PasswordField(props: PasswordFieldProps): ReactNode {
  const { name, label, value, onChange, isNew = false, error, own = [] } = props;
  const t = useText('password');
  const [isShown, setShown] = useState(false);
  return (
    <div className="stack password">
      <Field
        name={name}
        label={label}
        error={error}
        hint={isNew ? t('hint') : undefined}
        type={isShown ? 'text' : 'password'}
        autoComplete={isNew ? 'new-password' : 'current-password'}
        autoCapitalize="none"
        spellCheck={false}
        maxLength={4 * PASSWORD_CHARS_MAX}
        dir="ltr"
        required
        value={value}
        onChange={(event) => onChange(event.target.value)}
      />
      <label className="check">
        <input type="checkbox" checked={isShown} onChange={(event) => setShown(event.target.checked)} />
        {t('show')}
      </label>
      {isNew && <Strength password={value} own={own} />}
    </div>
  );
}

const LEVELS = { short: 1, guessable: 1, fair: 2, good: 3 } as const;

function Strength({
  password,
  own,
}: {
  readonly password: string;
  readonly own: readonly string[];
}): ReactNode {
  const t = useText('password');
  const strength = strengthOf(password, own);
  return (
    <p className={`strength strength-${LEVELS[strength]}`} role="status">
      {password !== '' && (
        <>
          <span className="strength-bar" aria-hidden="true" />
          {t(`strengths.${strength}`)}
        </>
      )}
    </p>
  );
}
