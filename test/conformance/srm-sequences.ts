/**
 * What SRM v2.2 says of its messages (its WSDL of 27 September 2006, which dCache and gfal2 are made of): for each type
 * the names in their order. Behind a name stands its type, and before that how often it comes:
 *
 * nothing: once · `?` at most once, or nil · `~` at most once · `!` once, or nil · `+` once or more · `*` once or more, some of them nil
 *
 * The draft of 20 June 2006 is another: it has `surl`, `owner` and `clientPermission` in TMetaDataPathDetail.
 */
export const SEQUENCES = {
  TReturnStatus: 'statusCode TStatusCode, explanation ?string',
  TSURLReturnStatus: 'surl anyURI, status TReturnStatus',
  TSURLLifetimeReturnStatus: 'surl anyURI, status TReturnStatus, fileLifetime ?int, pinLifetime ?int',
  TSURLPermissionReturn: 'surl anyURI, status TReturnStatus, permission ?TPermissionMode',
  TGetRequestFileStatus:
    'sourceSURL anyURI, fileSize ?unsignedLong, status TReturnStatus, estimatedWaitTime ?int, remainingPinTime ?int, transferURL ?anyURI, transferProtocolInfo ?ArrayOfTExtraInfo',
  TBringOnlineRequestFileStatus:
    'sourceSURL anyURI, status TReturnStatus, fileSize ?unsignedLong, estimatedWaitTime ?int, remainingPinTime ?int',
  TMetaDataPathDetail:
    'path string, status ?TReturnStatus, size ?unsignedLong, createdAtTime ?dateTime, lastModificationTime ?dateTime, fileStorageType ?TFileStorageType, retentionPolicyInfo ?TRetentionPolicyInfo, fileLocality ?TFileLocality, arrayOfSpaceTokens ?ArrayOfString, type ?TFileType, lifetimeAssigned ?int, lifetimeLeft ?int, ownerPermission ?TUserPermission, groupPermission ?TGroupPermission, otherPermission ?TPermissionMode, checkSumType ?string, checkSumValue ?string, arrayOfSubPaths ?ArrayOfTMetaDataPathDetail',
  TRetentionPolicyInfo: 'retentionPolicy TRetentionPolicy, accessLatency ?TAccessLatency',
  TUserPermission: 'userID string, mode TPermissionMode',
  TGroupPermission: 'groupID string, mode TPermissionMode',
  TExtraInfo: 'key string, value ?string',
  TSupportedTransferProtocol: 'transferProtocol string, attributes ?ArrayOfTExtraInfo',
  TDirOption: 'isSourceADirectory boolean, allLevelRecursive ?boolean, numOfLevels ?int',
  TGetFileRequest: 'sourceSURL anyURI, dirOption ?TDirOption',
  TTransferParameters:
    'accessPattern ?TAccessPattern, connectionType ?TConnectionType, arrayOfClientNetworks ?ArrayOfString, arrayOfTransferProtocols ?ArrayOfString',

  ArrayOfString: 'stringArray *string',
  ArrayOfAnyURI: 'urlArray *anyURI',
  ArrayOfTExtraInfo: 'extraInfoArray *TExtraInfo',
  ArrayOfTGetFileRequest: 'requestArray *TGetFileRequest',
  ArrayOfTGetRequestFileStatus: 'statusArray *TGetRequestFileStatus',
  ArrayOfTBringOnlineRequestFileStatus: 'statusArray *TBringOnlineRequestFileStatus',
  ArrayOfTMetaDataPathDetail: 'pathDetailArray *TMetaDataPathDetail',
  ArrayOfTSURLReturnStatus: 'statusArray *TSURLReturnStatus',
  ArrayOfTSURLLifetimeReturnStatus: 'statusArray *TSURLLifetimeReturnStatus',
  ArrayOfTSURLPermissionReturn: 'surlPermissionArray +TSURLPermissionReturn',
  ArrayOfTSupportedTransferProtocol: 'protocolArray *TSupportedTransferProtocol',

  srmPingRequest: 'authorizationID ?string',
  srmPingResponse: 'versionInfo string, otherInfo ?ArrayOfTExtraInfo',
  srmGetTransferProtocolsRequest: 'authorizationID ?string',
  srmGetTransferProtocolsResponse:
    'returnStatus TReturnStatus, protocolInfo ?ArrayOfTSupportedTransferProtocol',
  srmLsRequest:
    'authorizationID ?string, arrayOfSURLs ArrayOfAnyURI, storageSystemInfo !ArrayOfTExtraInfo, fileStorageType ?TFileStorageType, fullDetailedList ?boolean, allLevelRecursive ?boolean, numOfLevels ?int, offset ?int, count ?int',
  srmLsResponse: 'returnStatus TReturnStatus, requestToken ?string, details ?ArrayOfTMetaDataPathDetail',
  srmStatusOfLsRequestRequest: 'authorizationID ?string, requestToken string, offset ~int, count ?int',
  srmStatusOfLsRequestResponse: 'returnStatus TReturnStatus, details ?ArrayOfTMetaDataPathDetail',
  srmPrepareToGetRequest:
    'authorizationID ?string, arrayOfFileRequests ArrayOfTGetFileRequest, userRequestDescription ?string, storageSystemInfo ?ArrayOfTExtraInfo, desiredFileStorageType ?TFileStorageType, desiredTotalRequestTime ?int, desiredPinLifeTime ?int, targetSpaceToken ?string, targetFileRetentionPolicyInfo ?TRetentionPolicyInfo, transferParameters ?TTransferParameters',
  srmPrepareToGetResponse:
    'returnStatus TReturnStatus, requestToken ?string, arrayOfFileStatuses ?ArrayOfTGetRequestFileStatus, remainingTotalRequestTime ?int',
  srmStatusOfGetRequestRequest:
    'requestToken string, authorizationID ?string, arrayOfSourceSURLs ?ArrayOfAnyURI',
  srmStatusOfGetRequestResponse:
    'returnStatus TReturnStatus, arrayOfFileStatuses ?ArrayOfTGetRequestFileStatus, remainingTotalRequestTime ?int',
  srmBringOnlineRequest:
    'authorizationID ?string, arrayOfFileRequests ArrayOfTGetFileRequest, userRequestDescription ?string, storageSystemInfo ?ArrayOfTExtraInfo, desiredFileStorageType ?TFileStorageType, desiredTotalRequestTime ?int, desiredLifeTime ?int, targetSpaceToken ?string, targetFileRetentionPolicyInfo ?TRetentionPolicyInfo, transferParameters ?TTransferParameters, deferredStartTime ?int',
  srmBringOnlineResponse:
    'returnStatus TReturnStatus, requestToken ?string, arrayOfFileStatuses ?ArrayOfTBringOnlineRequestFileStatus, remainingTotalRequestTime ?int, remainingDeferredStartTime ?int',
  srmStatusOfBringOnlineRequestRequest:
    'requestToken string, authorizationID ?string, arrayOfSourceSURLs ?ArrayOfAnyURI',
  srmStatusOfBringOnlineRequestResponse:
    'returnStatus TReturnStatus, arrayOfFileStatuses ?ArrayOfTBringOnlineRequestFileStatus, remainingTotalRequestTime ?int, remainingDeferredStartTime ?int',
  srmReleaseFilesRequest:
    'requestToken ?string, authorizationID ?string, arrayOfSURLs ?ArrayOfAnyURI, doRemove ?boolean',
  srmReleaseFilesResponse: 'returnStatus TReturnStatus, arrayOfFileStatuses ?ArrayOfTSURLReturnStatus',
  srmAbortRequestRequest: 'requestToken string, authorizationID ?string',
  srmAbortRequestResponse: 'returnStatus TReturnStatus',
  srmAbortFilesRequest: 'requestToken string, arrayOfSURLs ArrayOfAnyURI, authorizationID ?string',
  srmAbortFilesResponse: 'returnStatus TReturnStatus, arrayOfFileStatuses ?ArrayOfTSURLReturnStatus',
  srmExtendFileLifeTimeRequest:
    'authorizationID ?string, requestToken ?string, arrayOfSURLs ArrayOfAnyURI, newFileLifeTime ?int, newPinLifeTime ?int',
  srmExtendFileLifeTimeResponse:
    'returnStatus TReturnStatus, arrayOfFileStatuses ?ArrayOfTSURLLifetimeReturnStatus',
  srmCheckPermissionRequest:
    'arrayOfSURLs ArrayOfAnyURI, authorizationID ?string, storageSystemInfo ?ArrayOfTExtraInfo',
  srmCheckPermissionResponse: 'returnStatus TReturnStatus, arrayOfPermissions ?ArrayOfTSURLPermissionReturn',
} as const

/** Operations that are refused here as a whole: of their response nothing is ever written but its status, which each of them has first. */
export const STATUS_ALONE = [
  ...['srmReserveSpace', 'srmStatusOfReserveSpaceRequest', 'srmReleaseSpace', 'srmUpdateSpace'],
  ...['srmStatusOfUpdateSpaceRequest', 'srmGetSpaceMetaData', 'srmChangeSpaceForFiles'],
  ...['srmStatusOfChangeSpaceForFilesRequest', 'srmExtendFileLifeTimeInSpace', 'srmPurgeFromSpace'],
  ...['srmGetSpaceTokens', 'srmSetPermission', 'srmGetPermission', 'srmMkdir', 'srmRmdir', 'srmRm'],
  ...[
    'srmStatusOfLsRequest',
    'srmMv',
    'srmPrepareToPut',
    'srmStatusOfPutRequest',
    'srmCopy',
    'srmStatusOfCopyRequest',
    'srmPutDone',
  ],
  ...['srmSuspendRequest', 'srmResumeRequest', 'srmGetRequestSummary', 'srmGetRequestTokens'],
] as const

/** The closed sets of words. */
export const WORDS = {
  TFileStorageType: 'VOLATILE DURABLE PERMANENT',
  TFileType: 'FILE DIRECTORY LINK',
  TRetentionPolicy: 'REPLICA OUTPUT CUSTODIAL',
  TAccessLatency: 'ONLINE NEARLINE',
  TPermissionMode: 'NONE X W WX R RX RW RWX',
  TFileLocality: 'ONLINE NEARLINE ONLINE_AND_NEARLINE LOST NONE UNAVAILABLE',
  TAccessPattern: 'TRANSFER_MODE PROCESSING_MODE',
  TConnectionType: 'WAN LAN',
  TStatusCode: [
    'SRM_SUCCESS SRM_FAILURE SRM_AUTHENTICATION_FAILURE SRM_AUTHORIZATION_FAILURE SRM_INVALID_REQUEST SRM_INVALID_PATH',
    'SRM_FILE_LIFETIME_EXPIRED SRM_SPACE_LIFETIME_EXPIRED SRM_EXCEED_ALLOCATION SRM_NO_USER_SPACE SRM_NO_FREE_SPACE',
    'SRM_DUPLICATION_ERROR SRM_NON_EMPTY_DIRECTORY SRM_TOO_MANY_RESULTS SRM_INTERNAL_ERROR SRM_FATAL_INTERNAL_ERROR',
    'SRM_NOT_SUPPORTED SRM_REQUEST_QUEUED SRM_REQUEST_INPROGRESS SRM_REQUEST_SUSPENDED SRM_ABORTED SRM_RELEASED',
    'SRM_FILE_PINNED SRM_FILE_IN_CACHE SRM_SPACE_AVAILABLE SRM_LOWER_SPACE_GRANTED SRM_DONE SRM_PARTIAL_SUCCESS',
    'SRM_REQUEST_TIMED_OUT SRM_LAST_COPY SRM_FILE_BUSY SRM_FILE_LOST SRM_FILE_UNAVAILABLE SRM_CUSTOM_STATUS',
  ].join(' '),
} as const
