/** The question whether a visit may be recorded: beside the page, never over it, and both answers look alike. */
import { type ReactNode } from 'react';
import { Link } from 'react-router';
import { useVisitText, visitTexts } from '../i18n/visit';
import { Button } from '../ui/button';
import { useToast } from '../ui/toast';
import { consent } from './consent';
import './visit.css';

export default function Ask(): ReactNode {
  return (
    <visitTexts.Provider>
      <Question />
    </visitTexts.Provider>
  );
}

function Question(): ReactNode {
  const t = useVisitText('recording');
  const say = useToast();
  const decide = (answer: 'yes' | 'no'): void => {
    consent.decide(answer);
    say(t(answer === 'yes' ? 'saidYes' : 'saidNo'));
    // What had the focus is gone.
    document.getElementById('content')?.focus({ preventScroll: true });
  };
  return (
    <aside className="ask" aria-labelledby="ask-title">
      <div className="ask-inner card">
        <div className="ask-text">
          <h2 id="ask-title" className="ask-title">
            {t('title')}
          </h2>
          <p className="soft">
            {t('body')} <Link to="/help#recording">{t('more')}</Link>
          </p>
        </div>
        <div className="ask-answers">
          <Button look="secondary" onClick={() => decide('yes')}>
            {t('yes')}
          </Button>
          <Button look="secondary" onClick={() => decide('no')}>
            {t('no')}
          </Button>
        </div>
      </div>
    </aside>
  );
}
