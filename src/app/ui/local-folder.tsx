/** A model from a folder on the person's disk: nothing is copied, nothing is fetched. */
import { text } from '../i18n/text.ts';
import { canPickFolder, folderOf, pickFolder } from '../storage/local-model.ts';
import { local, useLocal } from '../state/models.ts';
import { Icon } from './icon.tsx';

/** The row of the models' list. */
export const LocalFolder = () => (
  <li class="model">
    <h3>{local.value ? local.value.local.name : text('local.title')}</h3>
    <p>{text('local.about')}</p>
    <div class="ways">
      {canPickFolder() ? (
        <button
          type="button"
          id="pick-folder"
          class="chip"
          aria-pressed={local.value !== undefined}
          onClick={() => void pickFolder().then(useLocal)}
        >
          <Icon name="folder" />
          {text('local.pick')}
        </button>
      ) : (
        <FolderInput />
      )}
    </div>
  </li>
);

/** For browsers that open no folders: all files of one. */
const FolderInput = () => (
  <>
    <input
      id="folder-files"
      class="off-screen"
      type="file"
      multiple
      {...{ webkitdirectory: true }}
      onChange={({ currentTarget }) => useLocal(folderOf(currentTarget.files ?? []))}
    />
    <label class="button" for="folder-files">
      <Icon name="folder" />
      {text('local.pick')}
    </label>
  </>
);
