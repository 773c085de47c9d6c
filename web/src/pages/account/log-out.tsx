/** Logging out, here or everywhere. */
import { useState, type ReactNode } from 'react';
import { useNavigate } from 'react-router';
import { useLogOut } from '../../account/log-in';
import { asProblem, type ApiProblem } from '../../api';
import { useText } from '../../i18n/locale';
import { Button } from '../../ui/button';
import { Card, ErrorPanel } from '../../ui/panels';
import { useToast } from '../../ui/toast';

export function LogOut(): ReactNode {
  const t = useText('account');
  const logOut = useLogOut();
  const navigate = useNavigate();
  const say = useToast();
  const [busy, setBusy] = useState<'here' | 'everywhere' | null>(null);
  const [problem, setProblem] = useState<ApiProblem | null>(null);
  const leave = async (everywhere: boolean): Promise<void> => {
    setBusy(everywhere ? 'everywhere' : 'here');
    setProblem(null);
    try {
      await logOut(everywhere);
      say(t(everywhere ? 'loggedOutEverywhere' : 'loggedOut'));
      await navigate('/');
    } catch (error) {
      setProblem(asProblem(error));
      setBusy(null);
    }
  };
  return (
    <Card className="stack">
      <h2>{t('sessions')}</h2>
      <p className="soft">{t('sessionsBody')}</p>
      {problem && (
        <ErrorPanel problem={problem}>
          <p>{t('stillIn')}</p>
        </ErrorPanel>
      )}
      <div className="row">
        <Button look="secondary" isBusy={busy === 'here'} onClick={() => void leave(false)}>
          {t('logOut')}
        </Button>
        <Button look="quiet" isBusy={busy === 'everywhere'} onClick={() => void leave(true)}>
          {t('logOutEverywhere')}
        </Button>
      </div>
    </Card>
  );
}
