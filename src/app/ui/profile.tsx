/** The place of the profile, behind `?profile`: filled when a run has taken one. */
import { useEffect, useRef } from 'preact/hooks';
import { profile } from '../state/open-queue.ts';

/** The place; nothing while there is no profile. */
export function Profile() {
  const place = useRef<HTMLDivElement>(null);
  const spans = profile.value;
  useEffect(() => {
    if (!spans) return;
    void import('./profile-panel.ts').then(({ profileParts }) =>
      place.current?.replaceChildren(...profileParts(spans)),
    );
  }, [spans]);
  return spans ? <div id="profile" ref={place} /> : null;
}
