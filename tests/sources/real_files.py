"""Which of the publishers' real files belong to which source: for the fuzz tests and for `make bench`.

Names are relative to the folder of real files; a curated source is read from its own reviewed tables.
"""

from __future__ import annotations

# One edition of each source, the largest at hand: all files of one list are parsed together.
EDITIONS: dict[str, tuple[str, ...]] = {
    "cepii_baci": (
        "cepii_baci/BACI_HS17_Y2020_V202301_exporters_AFG_ZAF.csv.gz",
        "cepii_baci/country_codes_V202301.csv",
        "cepii_baci/Readme_V202201.txt",
    ),
    "clinicaltrials": tuple(
        f"clinicaltrials/{number}.v2.json" for number in ("NCT02210780", "NCT03418623", "NCT04207047")
    ),
    "cms_part_b": ("cms_medicare/DSD_PTB_R20_P06_V10_YTD19_WebExport - 201203.xlsx",),
    "cms_part_d": ("cms_medicare/THIRDPARTY_partd_ry24_dy22_first200rows_pandas_reserialised.csv",),
    "ecb_fx": ("ecb_fx/eurofxref-hist.zip",),
    "ema_medicines": ("ema_medicines/medicines_output_medicines_en_2024-08-22.xlsx",),
    "eurostat_prodcom": ("eurostat_prodcom/prodcom_2013to2025_29+30.csv.gz",),
    "eurostat_rd": ("eurostat/rd_e_gerdtot_legacy_bulk_2018.tsv",),
    "fda_decrs": ("fda_decrs/drls_reg_2025-07-25_contacts_blanked.txt.gz",),
    "fda_drugsatfda": ("fda_drugsatfda/drugsatfda_2019-07-02.zip",),
    "fda_ndc": ("fda_ndc/product_2019-04-29.txt.gz",),
    "fda_ndc_unfinished": ("fda_ndc_unfinished/unfinished.zip",),
    "fda_purple_book": ("fda_purple_book/purplebook_concatenated_2025.csv",),
    "fda_spl": (
        "fda_spl/viagra_64f8040f-938d-4236-8e22-c838c9b5f8da.xml",
        "fda_spl/lipitor-repack.xml",
        "fda_spl/cough.xml",
        "fda_spl/humira.xml",
    ),
    "health_canada_dpd": ("health_canada_dpd/allfiles.zip",),
    "jrc_scoreboard": ("jrc_scoreboard/SB2023_World2500.xlsx",),
    "mhlw_ndb": tuple(
        f"mhlw_ndb/ndb_{name}.xlsx" for name in ("o_2019_hos", "o_2019_in", "o_2019_out", "p_2019", "t_2019")
    ),
    "mhlw_nhi_price": ("mhlw_nhi_price/mhlw_price_20191001.csv",),
    "ncses_berd": ("ncses/12342/data.csv",),
    "ncses_patents": ("ncses/5835/data.csv",),
    "oecd_anberd": ("oecd/anberd_c21_usdppp_2000_2023.sdmxjson1.json",),
    "oecd_berd": ("oecd/berd_indu_c21_sdmxcsv_labels.csv",),
    "oecd_msti": ("oecd/msti_v1.3_sdmxcsv1_excerpt.csv",),
    "sec_companyfacts": ("sec_edgar/companyfacts/companyfacts_jnj_trimmed.json",),
    "sec_fsds": ("sec_edgar/fsds/2010q2.zip",),
    "sec_ixbrl": ("sec_edgar/ixbrl_10k/abbv-20241231_10-K_filed_2025-02-14.htm",),
    "un_comtrade": ("un_comtrade_legacy/Comtrade_Vacciness_Data_2017.csv.gz",),
    "unsd_hs": ("unsd_hs/HS2022_to_HS2017_ConversionAndCorrelationTables.xlsx",),
    "worldbank_wdi": ("worldbank/API_GB.XPD.RSDV.GD.ZS_DS2_en_csv_v2_232.csv",),
}
