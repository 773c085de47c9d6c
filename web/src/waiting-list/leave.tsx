/** Leaving a waiting list, asked for twice: the position is lost. */
import { useState, type ReactNode } from 'react';
import { asProblem, type ApiProblem } from '../api';
import { useWaitingText } from '../i18n/waiting';
import { Button } from '../ui/button';
import { Dialog } from '../ui/dialog';
import { ErrorPanel } from '../ui/panels';
import { useToast } from '../ui/toast';
import { useLeave } from './data';
import type { WaitingEntry } from './types';

export function Leave({ entry }: { readonly entry: WaitingEntry }): ReactNode {
  const t = useWaitingText('list');
  const [isOpen, setOpen] = useState(false);
  return (
    <>
      <Button look="quiet" onClick={() => setOpen(true)}>
        {t(entry.offer ? 'decline' : 'leave')}
      </Button>
      <Dialog
        title={t(entry.offer ? 'declineTitle' : 'leaveTitle')}
        isOpen={isOpen}
        onClose={() => setOpen(false)}
        isAlert
      >
        {(close) => <Question entry={entry} close={close} />}
      </Dialog>
    </>
  );
}

function Question({ entry, close }: { readonly entry: WaitingEntry; readonly close: () => void }): ReactNode {
  const t = useWaitingText('list');
  const leave = useLeave();
  const say = useToast();
  const [isBusy, setBusy] = useState(false);
  const [problem, setProblem] = useState<ApiProblem | null>(null);
  const send = async (): Promise<void> => {
    setBusy(true);
    setProblem(null);
    try {
      await leave(entry);
      say(t(entry.offer ? 'declined' : 'left'));
      close();
    } catch (error) {
      setProblem(asProblem(error));
      setBusy(false);
    }
  };
  return (
    <div className="stack">
      <p>{t(entry.offer ? 'declineBody' : 'leaveBody')}</p>
      {problem && <ErrorPanel problem={problem} />}
      <div className="row">
        <Button look="danger" isBusy={isBusy} onClick={() => void send()}>
          {t(entry.offer ? 'decline' : 'leave')}
        </Button>
        <Button look="secondary" onClick={close} autoFocus>
          {t('leaveNo')}
        </Button>
      </div>
    </div>
  );
}
