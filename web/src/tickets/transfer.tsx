/**
 * Giving a ticket to another account: offered to an address, accepted by the account that has it. Until it is
 * accepted the ticket stays with whoever offered it; from then on the old code is void.
 */
import { useState, type SyntheticEvent, type ReactNode } from 'react';
import { api, asProblem, intents, type ApiProblem } from '../api';
import { isEmail } from '../account/validation';
import { useText } from '../i18n/locale';
import { Button } from '../ui/button';
import { Dialog } from '../ui/dialog';
import { Field } from '../ui/field';
import { ErrorPanel, Notice } from '../ui/panels';
import { useToast } from '../ui/toast';
import { tokensFor, useTicketsChanged } from './data';
import type { Ticket } from './types';

/** One request about a ticket: busy while it runs, and what was refused. */
export function useTicketRequest(ticket: Ticket): {
  readonly isBusy: boolean;
  readonly problem: ApiProblem | null;
  readonly run: (request: {
    readonly method: 'POST' | 'DELETE';
    readonly path: string;
    readonly body?: unknown;
    readonly said: string;
    readonly then?: () => void;
  }) => Promise<void>;
} {
  const [isBusy, setBusy] = useState(false);
  const [problem, setProblem] = useState<ApiProblem | null>(null);
  const changed = useTicketsChanged();
  const say = useToast();
  return {
    isBusy,
    problem,
    run: async ({ method, path, body, said, then }) => {
      const name = `${method} ${path}`;
      setBusy(true);
      setProblem(null);
      try {
        const key = intents.keyOf(name, body ?? null);
        await api.send({ method, path, body, key, tokens: tokensFor(ticket.reservationId) });
        intents.end(name);
        say(said);
        then?.();
      } catch (error) {
        const refused = asProblem(error);
        if (!refused.isOutcomeUnknown) intents.end(name);
        setProblem(refused);
      }
      setBusy(false);
      // Also after a refusal: it may have changed meanwhile.
      changed(ticket.reservationId);
    },
  };
}

const EMAIL_CHARS_MAX = 254;

export function OfferTicket({ ticket }: { readonly ticket: Ticket }): ReactNode {
  const t = useText('transfer');
  const [isOpen, setOpen] = useState(false);
  return (
    <>
      <Button look="secondary" onClick={() => setOpen(true)}>
        {t('offer')}
      </Button>
      <Dialog title={t('offerTitle')} isOpen={isOpen} onClose={() => setOpen(false)}>
        {(close) => <OfferForm ticket={ticket} close={close} />}
      </Dialog>
    </>
  );
}

function OfferForm({ ticket, close }: { readonly ticket: Ticket; readonly close: () => void }): ReactNode {
  const t = useText('transfer');
  const common = useText('common');
  const validation = useText('validation');
  const [email, setEmail] = useState('');
  const [isWrong, setWrong] = useState(false);
  const { isBusy, problem, run } = useTicketRequest(ticket);
  const submit = (event: SyntheticEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const address = email.trim();
    if (!isEmail(address)) {
      setWrong(true);
      event.currentTarget.querySelector('input')?.focus();
      return;
    }
    void run({
      method: 'POST',
      path: `/tickets/${ticket.id}/transfer`,
      body: { email: address },
      said: t('offered', { email: address }),
      then: close,
    });
  };
  return (
    <form className="stack" noValidate onSubmit={submit}>
      <p>{t('offerBody')}</p>
      <div>
        <Field
          label={t('email')}
          hint={t('emailHint')}
          error={isWrong ? validation('email') : undefined}
          type="email"
          autoComplete="off"
          inputMode="email"
          dir="ltr"
          maxLength={EMAIL_CHARS_MAX}
          value={email}
          autoFocus
          onChange={(event) => {
            setEmail(event.target.value);
            setWrong(false);
          }}
        />
      </div>
      {problem && <Refused problem={problem} />}
      <div className="row">
        <Button type="submit" isBusy={isBusy}>
          {t('offerYes')}
        </Button>
        <Button look="secondary" onClick={close}>
          {common('cancel')}
        </Button>
      </div>
    </form>
  );
}

function Refused({ problem }: { readonly problem: ApiProblem }): ReactNode {
  const t = useText('transfer');
  if (problem.code !== 'invalid_state' && problem.code !== 'conflict')
    return <ErrorPanel problem={problem} />;
  return (
    <Notice tone="bad" title={t('refusedTitle')} isUrgent>
      <p>{t('refusedBody')}</p>
    </Notice>
  );
}

export function WithdrawOffer({ ticket }: { readonly ticket: Ticket }): ReactNode {
  const t = useText('transfer');
  const { isBusy, problem, run } = useTicketRequest(ticket);
  const withdraw = (): void =>
    void run({ method: 'DELETE', path: `/tickets/${ticket.id}/transfer`, said: t('withdrawn') });
  return (
    <>
      <Button look="secondary" isBusy={isBusy} onClick={withdraw}>
        {t('withdraw')}
      </Button>
      {problem && <Refused problem={problem} />}
    </>
  );
}

export function AnswerOffer({ ticket }: { readonly ticket: Ticket }): ReactNode {
  const t = useText('transfer');
  const accept = useTicketRequest(ticket);
  const decline = useTicketRequest(ticket);
  const problem = accept.problem ?? decline.problem;
  return (
    <div className="stack">
      <div className="row">
        <Button
          isBusy={accept.isBusy}
          onClick={() =>
            void accept.run({
              method: 'POST',
              path: `/tickets/${ticket.id}/transfer/accept`,
              said: t('accepted'),
            })
          }
        >
          {t('accept')}
        </Button>
        <Button
          look="secondary"
          isBusy={decline.isBusy}
          onClick={() =>
            void decline.run({
              method: 'DELETE',
              path: `/tickets/${ticket.id}/transfer`,
              said: t('declined'),
            })
          }
        >
          {t('decline')}
        </Button>
      </div>
      {problem?.code === 'email_unconfirmed' ? (
        <Notice tone="warn" isUrgent>
          <p>{t('confirmFirst')}</p>
        </Notice>
      ) : (
        problem && <Refused problem={problem} />
      )}
    </div>
  );
}
