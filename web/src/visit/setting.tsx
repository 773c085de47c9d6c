/** What was decided about recording, what is recorded, and the way to change it. */
import { useEffect, useRef, type ReactNode } from 'react';
import { useVisitText, visitTexts } from '../i18n/visit';
import { Button } from '../ui/button';
import { Card } from '../ui/panels';
import { consent } from './consent';
import { useConsent } from './record';
import './visit.css';

export default function Setting(): ReactNode {
  return (
    <visitTexts.Provider>
      <Standing />
    </visitTexts.Provider>
  );
}

function Standing(): ReactNode {
  const t = useVisitText('recording');
  const answer = useConsent();
  const place = useRef<HTMLHeadingElement>(null);
  // Whoever was led here is shown it: it came after the page.
  useEffect(() => {
    if (location.hash === '#recording') place.current?.scrollIntoView();
  }, []);
  const states = { yes: t('isOn'), no: t('isOff'), unasked: t('isUnasked') };
  return (
    <Card className="stack">
      <h2 ref={place} className="recording-title">
        {t('settingTitle')}
      </h2>
      <p>{t('body')}</p>
      <p>{t('kept')}</p>
      <p>{t('howLong')}</p>
      <p role="status">
        <strong>{states[answer]}</strong>
      </p>
      <div className="row">
        {answer !== 'yes' && (
          <Button look="secondary" onClick={() => consent.decide('yes')}>
            {t('turnOn')}
          </Button>
        )}
        {answer !== 'no' && (
          <Button look="secondary" onClick={() => consent.decide('no')}>
            {t('turnOff')}
          </Button>
        )}
      </div>
    </Card>
  );
}
