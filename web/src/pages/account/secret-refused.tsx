/** Why something that was sent with a password, or a code, was refused. */
import type { ReactNode } from 'react';
import type { ApiProblem } from '../../api';
import { useText } from '../../i18n/locale';
import { ErrorPanel, Notice } from '../../ui/panels';

export function SecretRefused({ problem }: { readonly problem: ApiProblem }): ReactNode {
  const t = useText('validation');
  const login = useText('login');
  if (problem.code === 'unauthorized') {
    return (
      <Notice tone="bad" title={t('passwordWrongTitle')} isUrgent>
        <p>{t('passwordWrong')}</p>
      </Notice>
    );
  }
  if (problem.code === 'second_factor_required') {
    return (
      <Notice tone="bad" title={login('codeWrongTitle')} isUrgent>
        <p>{login('codeWrongBody')}</p>
      </Notice>
    );
  }
  if (problem.errors.some(({ path }) => path === 'newPassword')) {
    return (
      <Notice tone="bad" title={t('passwordRefusedTitle')} isUrgent>
        <p>{t('passwordRefused')}</p>
      </Notice>
    );
  }
  return <ErrorPanel problem={problem} />;
}
