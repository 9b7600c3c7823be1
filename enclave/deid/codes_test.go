package deid_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"anchorhold/enclave/deid"
)

// codedWith is a record with one code.
func codedWith(system, code string) string {
	return observation(`"valueCodeableConcept":{"coding":[{"system":"` + system + `","code":"` + code + `"}]}`)
}

func testCodes(t *testing.T, system string, codes map[string]bool) {
	t.Helper()
	rules, err := deid.Preset("safe-harbor")
	if err != nil {
		t.Fatal(err)
	}
	testCodesWith(t, string(rules), system, codes)
}

func testCodesWith(t *testing.T, rules, system string, codes map[string]bool) {
	t.Helper()
	e := compiled(t, rules)
	for code, want := range codes {
		in := codedWith(system, code)
		out, _ := runWith(t, e, in+"\n", options())
		if got := strings.TrimSpace(out) == in; got != want {
			t.Errorf("%s|%s: got kept %t, want %t", system, code, got, want)
		}
	}
}

// The attack: a telephone number, record number or date in the place of a SNOMED CT code. Numbers
// that have the partition of a concept do not pass whatever their check digit is: one of ten is the
// right one.
func TestTelephoneNumbersAreNoSNOMEDCodes(t *testing.T) {
	testCodes(t, "http://snomed.info/sct", map[string]bool{
		"44054006": true, "22298006": true, "138875005": true, "1149222004": true, "428191000124101": true, "900000000000003001": false,
		"44054007": false, "44045006": false, "5558107001": false, "5558107009": false, "2125551003": false,
		"15558107006": false, "12125551008": false, "5558107101": false,
	})
	for last := range 10 {
		for _, head := range []string{"212555100", "555810700", "941305010", "1555810700", "1212555110", "21255510012345610"} {
			if code := fmt.Sprintf("%s%d", head, last); one(t, codedWith("http://snomed.info/sct", code)) == codedWith("http://snomed.info/sct", code) {
				t.Errorf("%s passes for a code of SNOMED CT", code)
			}
		}
	}
}

// Few people live in a tribe: its name is a characteristic that identifies [R].
func TestTribesGo(t *testing.T) {
	const race = "urn:oid:2.16.840.1.113883.6.238"
	testCodes(t, race, map[string]bool{
		"1002-5": true, "1004-1": true, "1735-0": true, "2028-9": true, "2106-3": true, "2135-2": true, "2186-5": true, "2079-2": true,
		"1100-7": false, "1006-6": false, "1737-6": false, "1966-1": false,
	})
	testCodes(t, "http://terminology.hl7.org/CodeSystem/v3-TribalEntityUS", map[string]bool{"91": false, "338": false, "12": false, "NativeEntityAlaska": false})
	testCodes(t, "http://terminology.hl7.org/CodeSystem/v3-AmericanIndianAlaskaNativeLanguages", map[string]bool{"x-NAV": false})
	in := patient(`"extension":[{"url":"http://hl7.org/fhir/us/core/StructureDefinition/us-core-race","extension":[` +
		`{"url":"ombCategory","valueCoding":{"system":"` + race + `","code":"1002-5"}},{"url":"detailed","valueCoding":{"system":"` + race + `","code":"1100-7"}}]}]`)
	for _, preset := range []string{"safe-harbor", "uds-plus", "expert-shift", "limited-data-set"} {
		if out, _ := run(t, preset, in+"\n"); strings.Contains(out, "1100-7") || !strings.Contains(out, "1002-5") {
			t.Errorf("%s: got %s, want the category and no tribe", preset, out)
		}
	}
}

func TestPlacesBelowAStateAreNoCodes(t *testing.T) {
	testCodes(t, "urn:iso:std:iso:3166", map[string]bool{"LI": true, "US": true, "USA": true, "LIE": true, "US-CA": true, "US-PR": true, "JOE": false, "US-QQ": false, "840": false, "LI-09": false, "DE-BE": false, "US-037": false, "SM-07": false, "MT-1": false})
	testCodes(t, "urn:iso:std:iso:3166:-2", map[string]bool{"US-CA": true, "LI-09": false, "US-CA-037": false})
}

// The attack: an age or a year of birth as a code of a system of which nobody has listed the codes.
func TestNumbersInThePlaceOfCodesGo(t *testing.T) {
	testCodesWith(t, extending("safe-harbor", "systems\n  http://clinic.example/lab code\n"), "http://clinic.example/lab", map[string]bool{
		"95": false, "1931": false, "6789": false, "89": true, "7": true, "0090": false, "095": false, "12-31": false, "42.36": false,
		"95-years": false, "born-1931": false, "15-Mar": false, "075": false, "01": true, "a95": true, "march": true, "v3-1": true,
		"2/3/01": false, "3.2.01": false, "a20-01": true, "a2001-02": false,
	})
	testCodes(t, "http://terminology.hl7.org/CodeSystem/service-type", map[string]bool{"124": true, "1931": false})
	testCodes(t, "http://terminology.hl7.org/CodeSystem/v3-ReligiousAffiliation", map[string]bool{"1013": true, "1931": false})
}

// The attack: a name in the place of a code of HL7, and a system that HL7 has not, in the same
// folder or spelt in another way.
func TestNamesInThePlaceOfCodesOfHL7Go(t *testing.T) {
	for system, word := range map[string]string{
		"http://terminology.hl7.org/CodeSystem/v3-RoleCode": "MTH", "http://terminology.hl7.org/CodeSystem/v3-ActCode": "AMB",
		"http://terminology.hl7.org/CodeSystem/v3-MaritalStatus": "M", "http://terminology.hl7.org/CodeSystem/v2-0136": "Y",
		"http://terminology.hl7.org/CodeSystem/v2-0203": "MR", "http://terminology.hl7.org/CodeSystem/v2-0303": "",
		"http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation": "<", "http://hl7.org/fhir/observation-status": "final",
		"http://hl7.org/fhir/us/core/CodeSystem/condition-category":                    "health-concern",
		"http://hl7.org/fhir/us/carin-bb/CodeSystem/C4BBSupportingInfoType":            "drg",
		"http://hl7.org/fhir/us/carin-bb/CodeSystem/C4BBClaimDiagnosisType":            "admitting",
		"http://fhir.org/guides/hrsa/uds-plus/CodeSystem/udsplus-housing-status-codes": "street",
		"http://terminology.hl7.org/CodeSystem/NCPDPBrandGenericIndicator":             "1",
		"http://terminology.hl7.org/CodeSystem/NCPDPProviderIdentificationNumber":      "",
		"http://terminology.hl7.org/CodeSystem/x":                                      "", "http://hl7.org/fhir/x": "",
		"http://terminology.hl7.org/CodeSystem/v3-tribalentityus": "", "http://terminology.hl7.org/fhir/CodeSystem/x": "",
		"http://cancerstaging.org": "pT4d",
	} {
		codes := map[string]bool{"JohnSmith": false, "John-Smith": false, "smith": false, "F95": false, "DE-BE": false}
		if word != "" {
			codes[word] = true
		}
		testCodes(t, system, codes)
	}
}

// What is listed of HL7 is bounded as other codes are, but for a few signs.
func TestListedCodesOfHL7TellNoNumbers(t *testing.T) {
	listed, err := os.ReadFile("presets/hl7.part")
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for line := range strings.Lines(string(listed)) {
		if !strings.HasPrefix(line, "    ") {
			continue
		}
		for word := range strings.FieldsSeq(line) {
			if count++; !deid.IsPlainCode(strings.Trim(word, "<>=+*") + "x") {
				t.Errorf("%q is listed, and may tell an age, a year or a number", word)
			}
		}
	}
	if count < 10_000 {
		t.Errorf("got %d words, want those of HL7", count)
	}
}

// The attack: an age, a year of birth or a telephone number as an answer by a code of a system that
// has such numbers. As a drug or a service they stay: 1998 is captopril.
func TestNumbersAsAnswersByACodeGo(t *testing.T) {
	const rxnorm, ndc = "http://www.nlm.nih.gov/research/umls/rxnorm", "http://hl7.org/fhir/sid/ndc"
	for _, c := range []struct {
		system, code string
		answer       bool // it stays as one
	}{
		{rxnorm, "1931", false},
		{rxnorm, "1998", false},
		{rxnorm, "95", false},
		{rxnorm, "161", true},
		{rxnorm, "6809", true},
		{ndc, "12065551234", false},
		{ndc, "00069000901", true},
		{ndc, "11523702001", true},
		{ndc, "16729-0045-10", true},
		{"http://hl7.org/fhir/sid/cvx", "95", false},
		{"http://hl7.org/fhir/sid/cvx", "08", true},
		{"http://hl7.org/fhir/sid/icd-9-cm", "095", false},
		{"http://www.ama-assn.org/go/cpt", "95", false},
		{"http://www.ama-assn.org/go/cpt", "99213", true},
		{"http://snomed.info/sct", "22298006", true},
		{"http://terminology.hl7.org/CodeSystem/ex-USCLS", "2601", true},
	} {
		coding := `{"system":"` + c.system + `","code":"` + c.code + `"}`
		for in, want := range map[string]bool{
			observation(`"valueCodeableConcept":{"coding":[` + coding + `]}`):                     c.answer,
			observation(`"component":[{"valueCodeableConcept":{"coding":[` + coding + `]}}]`):     c.answer,
			answered("1", `"valueCoding":`+coding, ""):                                            c.answer,
			`{"resourceType":"Task","input":[{"valueCoding":` + coding + `}]}`:                    c.answer,
			`{"resourceType":"Medication","code":{"coding":[` + coding + `]}}`:                    true,
			`{"resourceType":"Claim","item":[{"productOrService":{"coding":[` + coding + `]}}]}`:  true,
			observation(`"component":[{"valueBoolean":true,"code":{"coding":[` + coding + `]}}]`): true,
		} {
			if got := strings.Contains(one(t, in), `"`+c.code+`"`); got != want {
				t.Errorf("%s: got kept %t, want %t", in, got, want)
			}
		}
	}
}

func TestDrugCodesInAllForms(t *testing.T) {
	for _, system := range []string{"http://hl7.org/fhir/sid/ndc", "urn:oid:2.16.840.1.113883.6.69"} {
		testCodes(t, system, map[string]bool{
			"0069-0009-01": true, "00690-009-01": true, "50090-0009-0": true, "00069-0009-01": true, "00069000901": true,
			"555-810-7203": false, "555-81-0720": false, "5558107203": false, "1931-02-03": false, "0069-0009": false, "0069-0009-01-1": false,
			"-0009-01": false, "0069--01": false, "0069-0009-0a": false, "": false,
		})
	}
}

func TestCodesOfClaimsAndTumours(t *testing.T) {
	const cms = "https://www.cms.gov/Medicare/"
	for system, codes := range map[string]map[string]bool{
		"http://terminology.hl7.org/CodeSystem/icd-o-3":                                                {"8500/3": true, "8500/31": true, "C50.4": true, "C504": true, "1931/3": false, "Smith": false},
		"urn:oid:2.16.840.1.113883.6.43.1":                                                             {"8140/3": true},
		"http://cancerstaging.org":                                                                     {"cT3": true, "IIA": true, "555-8107": false},
		"http://www.genenames.org":                                                                     {"HGNC:1100": true, "1100": false},
		"http://ncicb.nci.nih.gov/xml/owl/EVS/Thesaurus.owl":                                           {"C4872": true, "C95": false, "Smith": false},
		"https://nahdo.org/sopt":                                                                       {"121": true, "2111": true, "1931": false, "94110": false},
		"https://x12.org/codes/claim-adjustment-group-codes":                                           {"CO": true, "45": false},
		"http://www.genenames.org/geneId":                                                              {"HGNC:1100": true, "HGNC:5558107": false},
		"https://www.nubc.org/CodeSystem/RevenueCodes":                                                 {"0250": true, "250": true, "94110": false},
		"https://www.nubc.org/CodeSystem/TypeOfBill":                                                   {"131": true, "0131": true, "013X": true, "94110": false},
		"http://www.ama-assn.org/go/cpt":                                                               {"99213": true, "25": true, "LT": true, "0001F": true, "555": false, "02139": false, "00100": true},
		"https://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets":                                     {"G0008": true, "RT": true, "25": false},
		cms + "Coding/place-of-service-codes/Place_of_Service_Code_Set":                                {"11": true, "111": false},
		"http://hl7.org/fhir/us/carin-bb/CodeSystem/C4BBSupportingInfoType":                            {"typeofbill": true, "admtype": true},
		"https://x12.org/codes/claim-adjustment-reason-codes":                                          {"45": true, "A1": true, "94110": false},
		"https://www.nubc.org/CodeSystem/PresentOnAdmissionIndicator":                                  {"Y": true, "Smith": false},
		"http://uri.hddaccess.com/cs/aprdrg":                                                           {"194": true, "194-3": true, "1931": false},
		cms + "Medicare-Fee-for-Service-Payment/AcuteInpatientPPS/MS-DRG-Classifications-and-Software": {"470": true, "1931": false},
	} {
		testCodes(t, system, codes)
	}
}

// A UID of DICOM's own says what kind of object an image is; those of a hospital tell the machine
// and the day.
func TestSOPClassesStayAndOtherUIDsGo(t *testing.T) {
	for uid, want := range map[string]bool{
		"1.2.840.10008.5.1.4.1.1.2": true, "1.2.840.10008.5.1.4.1.1.88.22": true, "1.2.840.10008.5.1.4.1.1.481.25": true,
		"1.2.840.10008.5.1.4.1.1.555.81.7": false, "1.2.840.113619.2.5.1762583153.215519.978957063.78": false, "2.16.124.113543.6003.1": false, "1.2.3": false,
	} {
		in := `{"resourceType":"ImagingStudy","status":"available","series":[{"instance":[{"sopClass":{"system":"urn:ietf:rfc:3986","code":"urn:oid:` + uid + `"}}]}]}`
		if got := one(t, in) == in; got != want {
			t.Errorf("%s: got kept %t, want %t", uid, got, want)
		}
	}
}

func TestStatesInAnySpelling(t *testing.T) {
	for state, want := range map[string]string{
		"CA": "CA", "ca": "CA", "California": "CA", " california ": "CA", "NEW YORK": "NY", "District of Columbia": "DC", "Puerto Rico": "PR", "US-CA": "CA", "UM": "UM", "AE": "AE",
		"Bayern": "", "Springfield": "", "Smith": "", "": "", "C A": "", "Californiaa": "", "New York City": "", "US-": "",
	} {
		got := one(t, patient(`"address":[{"state":"`+state+`"}]`))
		out := patient(`"address":[{"state":"` + want + `"}]`)
		if want == "" {
			out = `{"resourceType":"Patient"}`
		}
		if got != out {
			t.Errorf("%q: got %s, want %s", state, got, out)
		}
	}
}

func TestSexAsACoding(t *testing.T) {
	const core = "http://hl7.org/fhir/us/core/StructureDefinition/"
	for _, url := range []string{core + "us-core-sex", core + "us-core-individual-sex"} {
		in := patient(`"extension":[{"url":"` + url + `","valueCoding":{"system":"http://snomed.info/sct","code":"248152002","display":"Smith"}}]`)
		for _, preset := range []string{"safe-harbor", "uds-plus", "limited-data-set", "expert-shift"} {
			out, _ := run(t, preset, in+"\n")
			if !strings.Contains(out, `"valueCoding":{"system":"http://snomed.info/sct","code":"248152002"}`) || strings.Contains(out, "Smith") {
				t.Errorf("%s: got %s, want the code", preset, out)
			}
		}
	}
}
