/** A password: can be shown, pasted and filled in by a password manager. */
import { useState, type ReactNode } from 'react';
import { useText } from '../i18n/locale';
import { Field } from '../ui/field';
import { PASSWORD_CHARS_MAX, passwordFault, strengthOf } from './validation';

export interface PasswordFieldProps {
  readonly name: string;
  readonly label: 'passwordLabel' | 'oldPasswordLabel' | 'newPasswordLabel';
  readonly value: string;
  readonly onChange: (value: string) => void;
  readonly isNew?: boolean;
  /** It was sent, and cannot be one. */
  readonly isWrong: boolean;
  /** Of a new one: what must not be in it. */
  readonly own?: readonly string[];
}

export function PasswordField(props: PasswordFieldProps): ReactNode {
  const { name, label, value, onChange, isNew = false, isWrong, own = [] } = props;
  const t = useText('password');
  const validation = useText('validation');
  const fault = isNew
    ? passwordFault(value) === 'long'
      ? 'passwordLong'
      : 'passwordShort'
    : 'passwordMissing';
  const [isShown, setShown] = useState(false);
  return (
    <div className="stack password">
      <Field
        name={name}
        label={validation(label)}
        error={isWrong ? validation(fault) : undefined}
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
