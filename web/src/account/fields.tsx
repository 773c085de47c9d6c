/** Fields that several forms have. */
import type { ReactNode } from 'react';
import { useText } from '../i18n/locale';
import { Field } from '../ui/field';
import { EMAIL_CHARS_MAX } from './validation';

export function EmailField(props: {
  readonly value: string;
  readonly onChange: (value: string) => void;
  readonly isWrong: boolean;
  readonly hint?: string;
}): ReactNode {
  const { value, onChange, isWrong, hint } = props;
  const t = useText('validation');
  return (
    <Field
      name="email"
      label={t('emailLabel')}
      hint={hint}
      error={isWrong ? t('email') : undefined}
      type="email"
      inputMode="email"
      autoComplete="email"
      autoCapitalize="none"
      spellCheck={false}
      dir="ltr"
      maxLength={EMAIL_CHARS_MAX}
      required
      value={value}
      onChange={(event) => onChange(event.target.value)}
    />
  );
}

/** The code of an authenticator app, or one of those kept for the day it is lost. */
export function CodeField(props: {
  readonly isRecovery: boolean;
  readonly value: string;
  readonly onChange: (value: string) => void;
  readonly isWrong: boolean;
}): ReactNode {
  const { isRecovery, value, onChange, isWrong } = props;
  const t = useText('validation');
  return (
    <Field
      key={isRecovery ? 'recovery' : 'code'}
      name="code"
      label={isRecovery ? t('recoveryLabel') : t('codeLabel')}
      hint={isRecovery ? t('recoveryHint') : t('codeHint')}
      error={isWrong ? (isRecovery ? t('recovery') : t('code')) : undefined}
      type="text"
      inputMode={isRecovery ? 'text' : 'numeric'}
      autoComplete={isRecovery ? 'off' : 'one-time-code'}
      autoCapitalize="none"
      spellCheck={false}
      maxLength={isRecovery ? 30 : 10}
      dir="ltr"
      required
      value={value}
      onChange={(event) => onChange(event.target.value)}
    />
  );
}
