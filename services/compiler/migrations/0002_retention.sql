-- migrate:up

-- `marked_at`: unused for so long that it will be deleted unless a film finds it first. `deleting`: its bytes are being
-- deleted or already are.
alter table pieces add column marked_at timestamptz, add column deleting boolean not null default false;
drop index pieces_unused;
create index pieces_unused on pieces (used_at) where made_at is not null and marked_at is null;
create index pieces_marked on pieces (marked_at) where marked_at is not null;

alter table compilations add column marked_at timestamptz;
create index compilations_completed on compilations (episode_id, completed_at desc, compilation_id desc)
    where state = 'completed';
create index compilations_marked on compilations (marked_at) where marked_at is not null;

-- migrate:down
drop index compilations_marked, compilations_completed, pieces_marked, pieces_unused;
alter table compilations drop column marked_at;
alter table pieces drop column marked_at, drop column deleting;
create index pieces_unused on pieces (used_at) where made_at is not null;
