-- migrate:up

-- What goes with a film, by name: captions.vtt, captions.srt, timeline.otio (ObjectRef).
alter table compilations add column files jsonb not null default '{}';

-- migrate:down
alter table compilations drop column files;
