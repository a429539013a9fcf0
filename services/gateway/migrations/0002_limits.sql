-- migrate:up
-- Requests of each caller in their window, over all replicas. Unlogged: after a crash everybody begins anew.
create unlogged table rate_windows (
    policy text not null,
    caller text not null,
    begun double precision not null,             -- Unix time
    count bigint not null,
    primary key (policy, caller)
);

-- migrate:down
drop table rate_windows;
