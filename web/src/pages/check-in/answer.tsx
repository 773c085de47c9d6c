/** The answer to a scan, large enough to be seen from the side. */
import type { ReactNode } from 'react';
import { isDecidable, type Answer } from '../../check-in/desk';
import { useCheckInText } from '../../i18n/check-in';
import { useLocale } from '../../i18n/locale';
import { Button } from '../../ui/button';
import { ToneIcon, useMoment, type Tone } from './parts';

export interface Shown {
  readonly answer: Answer;
  /** Counts up: the same answer twice is two answers. */
  readonly count: number;
}

const TONES: Readonly<Record<Answer['kind'], Tone>> = {
  admitted: 'good',
  repeated: 'warn',
  doubt: 'warn',
  refused: 'bad',
  sent_away: 'bad',
};

export function AnswerPanel(props: {
  readonly shown: Shown | null;
  readonly onDecide: (letIn: boolean) => void;
}): ReactNode {
  const { shown, onDecide } = props;
  const t = useCheckInText('answer');
  const gate = useCheckInText('gate');
  return (
    <section className="gate-answers" aria-label={t('label')}>
      <div role="alert" aria-atomic="true">
        {shown && <Said key={shown.count} answer={shown.answer} />}
      </div>
      {!shown && (
        <div className="gate-answer gate-answer-calm">
          <ToneIcon tone="calm" />
          <div className="gate-answer-text">
            <p className="gate-answer-title">{gate('ready')}</p>
            <p>{gate('readyBody')}</p>
          </div>
        </div>
      )}
      {shown && isDecidable(shown.answer) && (
        <div className="gate-decision">
          <Button look="secondary" onClick={() => onDecide(true)}>
            {t('letIn')}
          </Button>
          <Button look="secondary" onClick={() => onDecide(false)}>
            {t('sendAway')}
          </Button>
        </div>
      )}
    </section>
  );
}

function Said({ answer }: { readonly answer: Answer }): ReactNode {
  const t = useCheckInText('answer');
  const { format } = useLocale();
  const title = useTitle();
  const details = useDetails();
  const { ticket, at } = answer;
  return (
    <div className={`gate-answer gate-answer-${TONES[answer.kind]}`}>
      <ToneIcon tone={TONES[answer.kind]} />
      <div className="gate-answer-text">
        <p className="gate-answer-title">{title(answer)}</p>
        {details(answer).map((detail) => (
          <p key={detail}>{detail}</p>
        ))}
        {ticket && <p>{t('ticket', { category: ticket.category, number: ticket.number })}</p>}
        <p className="gate-answer-time">{format.clock(at)}</p>
      </div>
    </div>
  );
}

function useTitle(): (answer: Answer) => string {
  const t = useCheckInText('answer');
  return (answer) => {
    switch (answer.kind) {
      case 'admitted':
      case 'repeated':
      case 'sent_away':
        return t(answer.kind);
      case 'refused':
        return t(`refused.${answer.reason}`);
      case 'doubt':
        return t(`doubt.${answer.doubt}`);
    }
  };
}

function useDetails(): (answer: Answer) => readonly string[] {
  const t = useCheckInText('answer');
  const moment = useMoment();
  return (answer) => {
    switch (answer.kind) {
      case 'admitted':
        if (answer.isDecided) return [t('admittedDecided')];
        return answer.by === 'list' ? [t('admittedList')] : [];
      case 'repeated': {
        const { at, gate, device } = answer.first;
        if (at === null) return [t('repeatedUnknown')];
        if (gate === null) return [t('repeatedAt', { time: moment(at) })];
        const where = t('repeatedAtGate', { time: moment(at), gate });
        return device === null ? [where] : [where, t('repeatedBy', { device })];
      }
      case 'refused':
        return [t(`refusedBody.${answer.reason}`, { match: answer.ticket?.matchNumber ?? 0 })];
      case 'doubt':
        return [t(`doubtBody.${answer.doubt}`)];
      case 'sent_away':
        return [t('sent_awayBody')];
    }
  };
}
