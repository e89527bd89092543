--
-- PostgreSQL database dump
--


-- Dumped from database version 18.4
-- Dumped by pg_dump version 18.4

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: pipeline_listings; Type: SEQUENCE; Schema: public; Owner: -
--

CREATE SEQUENCE public.pipeline_listings
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: pipeline_runs; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.pipeline_runs (
    flow text NOT NULL,
    id text NOT NULL,
    listing bigint NOT NULL,
    started_at timestamp with time zone NOT NULL,
    listed_at timestamp with time zone NOT NULL,
    published_at timestamp with time zone NOT NULL,
    fingerprint text NOT NULL,
    page_views_lines bigint NOT NULL,
    page_views_counted bigint NOT NULL,
    page_views_duplicates bigint NOT NULL,
    page_views_other_environment bigint NOT NULL,
    page_views_anonymous bigint NOT NULL,
    page_views_rejected bigint NOT NULL,
    user_updates_lines bigint NOT NULL,
    user_updates_counted bigint NOT NULL,
    user_updates_duplicates bigint NOT NULL,
    user_updates_other_environment bigint NOT NULL,
    user_updates_anonymous bigint NOT NULL,
    user_updates_rejected bigint NOT NULL,
    overtaken boolean NOT NULL,
    summary jsonb NOT NULL,
    stages jsonb NOT NULL
);


--
-- Name: rejected_records; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.rejected_records (
    object_key text NOT NULL,
    line_number bigint NOT NULL,
    reason text NOT NULL,
    line text NOT NULL
);


--
-- Name: user_page_views; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.user_page_views (
    user_id bigint NOT NULL,
    email text,
    url text NOT NULL,
    count bigint NOT NULL,
    last_viewed timestamp with time zone NOT NULL
)
WITH (fillfactor='75');


--
-- Data for Name: pipeline_runs; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.pipeline_runs VALUES ('user-page-views', 'first', 1, '2026-11-30 15:36:41.762713+00', '2026-11-30 15:36:42.15103+00', '2026-11-30 15:37:00.758937+00', '414b725c0c70695622d7f01406fd2e827695efe5d2f92bbded074a1da267f6ba', 28, 24, 1, 1, 1, 1, 4, 3, 0, 1, 0, 0, false, '{"id": "first", "rows": 23, "healed": [], "seconds": 18.996, "listed_at": "2026-11-30T15:36:42.151030+00:00", "overtaken": false, "page_views": {"lines": 28, "counted": 24, "reasons": {"malformed": 1}, "rejected": 1, "anonymous": 1, "duplicates": 1, "other_environment": 1}, "environment": "local", "fingerprint": "414b725c0c70695622d7f01406fd2e827695efe5d2f92bbded074a1da267f6ba", "published_at": "2026-11-30T15:37:00.758937+00:00", "rows_written": 23, "user_updates": {"lines": 4, "counted": 3, "reasons": {}, "rejected": 0, "anonymous": 0, "duplicates": 0, "other_environment": 1}, "objects_parsed": 2, "objects_reused": 0}', '{"tables": {"transaction": 754, "user_page_views": {"oid": 16425, "rows": 23, "transactions": [754]}, "rejected_records": {"oid": 16414, "rows": 1, "transactions": [754]}}, "list_logs": {"plan": "plans/v2/35c6a4b54000554425028b9223fedf71fea4ac02.json", "bytes": 2701, "parts": 2, "healed": [], "listing": 1, "objects": 2, "listed_at": "2026-11-30T15:36:42.151030+00:00", "fingerprint": "414b725c0c70695622d7f01406fd2e827695efe5d2f92bbded074a1da267f6ba", "new_objects": 2}, "summarise": {"base": null, "rows": {"name": "summaries/v4/fd48d1a3a41ff59eb5cfae2c4c3fd4a76e3a9176.rows.5de24d7d2e76c4e3.parquet", "sha256": "5de24d7d2e76c4e3bfc11c1e82ef07948674208d56b1c845cf7d8f5caf922b7d"}, "urls": {"name": "summaries/v4/fd48d1a3a41ff59eb5cfae2c4c3fd4a76e3a9176.urls.9b3dc20e9414fda8.parquet", "sha256": "9b3dc20e9414fda8613d95a1c6e23097b1dc021461a2fc566187ff14c75321e2"}, "count": 23, "scope": "extracts/v5/6a7d7a7bebfd0b2c/", "emails": null, "healed": [], "latest": {"name": "summaries/v4/fd48d1a3a41ff59eb5cfae2c4c3fd4a76e3a9176.latest.b611808d4b738528.parquet", "sha256": "b611808d4b738528141b266db5d5ed9092e5c6aa5f00e4f0ba0f66c644f8f09b"}, "rejects": {"name": "summaries/v4/fd48d1a3a41ff59eb5cfae2c4c3fd4a76e3a9176.rejects.feb021128175f39e.parquet", "sha256": "feb021128175f39e6375b54a90e2985a708df2220992c2a3ae90dbd1758b9cf3"}, "version": 4, "manifest": "summaries/v4/fd48d1a3a41ff59eb5cfae2c4c3fd4a76e3a9176.json", "page_views": {"lines": 28, "counted": 24, "reasons": {"malformed": 1}, "rejected": 1, "anonymous": 1, "duplicates": 1, "other_environment": 1}, "user_updates": {"lines": 4, "counted": 3, "reasons": {}, "rejected": 0, "anonymous": 0, "duplicates": 0, "other_environment": 1}}, "extract_logs": [{"lines": 4, "objects": 1}, {"lines": 28, "objects": 1}]}');
INSERT INTO public.pipeline_runs VALUES ('user-page-views', 'second', 2, '2026-11-30 15:37:00.880999+00', '2026-11-30 15:37:00.985343+00', '2026-11-30 15:37:01.363016+00', '1743475317f1d7832e5775de7285fdeba479c77fd20970c98da38ea35b6b913d', 31, 26, 2, 1, 1, 1, 6, 5, 0, 1, 0, 0, false, '{"id": "second", "rows": 24, "healed": [], "seconds": 0.482, "listed_at": "2026-11-30T15:37:00.985343+00:00", "overtaken": false, "page_views": {"lines": 31, "counted": 26, "reasons": {"malformed": 1}, "rejected": 1, "anonymous": 1, "duplicates": 2, "other_environment": 1}, "environment": "local", "fingerprint": "1743475317f1d7832e5775de7285fdeba479c77fd20970c98da38ea35b6b913d", "published_at": "2026-11-30T15:37:01.363016+00:00", "rows_written": 2, "user_updates": {"lines": 6, "counted": 5, "reasons": {}, "rejected": 0, "anonymous": 0, "duplicates": 0, "other_environment": 1}, "objects_parsed": 2, "objects_reused": 2}', '{"tables": {"transaction": 755, "user_page_views": {"oid": 16425, "rows": 24, "transactions": [754, 755]}, "rejected_records": {"oid": 16414, "rows": 1, "transactions": [754, 755]}}, "list_logs": {"plan": "plans/v2/b3c37cbe5aa949899cccae3bde1469d65d673ad9.json", "bytes": 3117, "parts": 2, "healed": [], "listing": 2, "objects": 4, "listed_at": "2026-11-30T15:37:00.985343+00:00", "fingerprint": "1743475317f1d7832e5775de7285fdeba479c77fd20970c98da38ea35b6b913d", "new_objects": 2}, "summarise": {"base": 1, "rows": {"name": "summaries/v4/91680674824a563e12f973f97adb866453fe64bd.rows.8674dc7120e6f86a.parquet", "sha256": "8674dc7120e6f86ae0545c8fbf66abeb91ff7a5da182b765b88d7f3db725db42"}, "urls": {"name": "summaries/v4/91680674824a563e12f973f97adb866453fe64bd.urls.9b2663dd1e2f01d0.parquet", "sha256": "9b2663dd1e2f01d02312790a27ed5f46df7e1d050663933faa11a442ce8a2960"}, "count": null, "scope": "extracts/v5/6a7d7a7bebfd0b2c/", "emails": {"name": "summaries/v4/91680674824a563e12f973f97adb866453fe64bd.emails.515b3c1cc425c81b.parquet", "sha256": "515b3c1cc425c81b857c66c7e23bf5ee6466159fd7412ad063d4620dded89995"}, "healed": [], "latest": {"name": "summaries/v4/91680674824a563e12f973f97adb866453fe64bd.latest.b4900d31e36fb50c.parquet", "sha256": "b4900d31e36fb50c157798effd4c840f8e4391c1f420269d8de90ddb1674aeb0"}, "rejects": null, "version": 4, "manifest": "summaries/v4/91680674824a563e12f973f97adb866453fe64bd.json", "page_views": {"lines": 31, "counted": 26, "reasons": {"malformed": 1}, "rejected": 1, "anonymous": 1, "duplicates": 2, "other_environment": 1}, "user_updates": {"lines": 6, "counted": 5, "reasons": {}, "rejected": 0, "anonymous": 0, "duplicates": 0, "other_environment": 1}}, "extract_logs": [{"lines": 2, "objects": 1}, {"lines": 3, "objects": 1}]}');


--
-- Data for Name: rejected_records; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.rejected_records VALUES ('PageViews/2017-04-01.jsonl', 28, 'malformed', '{"ts": "broken');


--
-- Data for Name: user_page_views; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.user_page_views VALUES (2, 'two@example.com', '/products/2/', 1, '2017-04-01 12:00:00+00');
INSERT INTO public.user_page_views VALUES (3, NULL, '/cart/', 1, '2017-04-01 12:30:00+00');
INSERT INTO public.user_page_views VALUES (7, NULL, '/p/0/', 1, '2017-04-01 13:00:00+00');
INSERT INTO public.user_page_views VALUES (7, NULL, '/p/1/', 1, '2017-04-01 13:01:00+00');
INSERT INTO public.user_page_views VALUES (7, NULL, '/p/10/', 1, '2017-04-01 13:10:00+00');
INSERT INTO public.user_page_views VALUES (7, NULL, '/p/11/', 1, '2017-04-01 13:11:00+00');
INSERT INTO public.user_page_views VALUES (7, NULL, '/p/12/', 1, '2017-04-01 13:12:00+00');
INSERT INTO public.user_page_views VALUES (7, NULL, '/p/13/', 1, '2017-04-01 13:13:00+00');
INSERT INTO public.user_page_views VALUES (7, NULL, '/p/14/', 1, '2017-04-01 13:14:00+00');
INSERT INTO public.user_page_views VALUES (7, NULL, '/p/15/', 1, '2017-04-01 13:15:00+00');
INSERT INTO public.user_page_views VALUES (7, NULL, '/p/16/', 1, '2017-04-01 13:16:00+00');
INSERT INTO public.user_page_views VALUES (7, NULL, '/p/17/', 1, '2017-04-01 13:17:00+00');
INSERT INTO public.user_page_views VALUES (7, NULL, '/p/18/', 1, '2017-04-01 13:18:00+00');
INSERT INTO public.user_page_views VALUES (7, NULL, '/p/19/', 1, '2017-04-01 13:19:00+00');
INSERT INTO public.user_page_views VALUES (7, NULL, '/p/2/', 1, '2017-04-01 13:02:00+00');
INSERT INTO public.user_page_views VALUES (7, NULL, '/p/3/', 1, '2017-04-01 13:03:00+00');
INSERT INTO public.user_page_views VALUES (7, NULL, '/p/4/', 1, '2017-04-01 13:04:00+00');
INSERT INTO public.user_page_views VALUES (7, NULL, '/p/5/', 1, '2017-04-01 13:05:00+00');
INSERT INTO public.user_page_views VALUES (7, NULL, '/p/6/', 1, '2017-04-01 13:06:00+00');
INSERT INTO public.user_page_views VALUES (7, NULL, '/p/7/', 1, '2017-04-01 13:07:00+00');
INSERT INTO public.user_page_views VALUES (7, NULL, '/p/8/', 1, '2017-04-01 13:08:00+00');
INSERT INTO public.user_page_views VALUES (7, NULL, '/p/9/', 1, '2017-04-01 13:09:00+00');
INSERT INTO public.user_page_views VALUES (4, 'four@example.com', '/products/9/', 1, '2017-04-02 11:00:00+00');
INSERT INTO public.user_page_views VALUES (1, 'new@example.com', '/products/1/', 3, '2017-04-02 11:00:00+00');


--
-- Name: pipeline_listings; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.pipeline_listings', 2, true);


--
-- Name: pipeline_runs pipeline_runs_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.pipeline_runs
    ADD CONSTRAINT pipeline_runs_pkey PRIMARY KEY (flow, id);


--
-- Name: rejected_records rejected_records_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.rejected_records
    ADD CONSTRAINT rejected_records_pkey PRIMARY KEY (object_key, line_number);


--
-- Name: user_page_views user_page_views_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.user_page_views
    ADD CONSTRAINT user_page_views_pkey PRIMARY KEY (user_id, url);


--
-- PostgreSQL database dump complete
--


